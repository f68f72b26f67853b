# The fuzzers: one per file of t/fuzz, under its name.

find_package(OpenSSL REQUIRED)
file(GLOB fuzzers CONFIGURE_DEPENDS "${root}/t/fuzz/*.cc")
foreach(fuzzer ${fuzzers})
  get_filename_component(name "${fuzzer}" NAME_WE)
  add_executable(fuzz_${name} "${fuzzer}")
  target_include_directories(fuzz_${name} PRIVATE "${root}/t/unit")
  target_link_libraries(fuzz_${name} upstream_502 OpenSSL::Crypto)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()
