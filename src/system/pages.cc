// Memory by whole pages.

#include "system/pages.h"

#include <sys/mman.h>
#include <unistd.h>

namespace upstream_502 {
namespace {

void* Take(size_t size) {
  void* const pages = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? nullptr : pages;
}

void Give(void* pages, size_t size) { munmap(pages, size); }

}  // namespace

const Region::Source kPages = {Take, Give};

size_t InPages(size_t size) {
  static const auto kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (size + kPage - 1) / kPage * kPage;
}

}  // namespace upstream_502
