// Compares the layouts of the running nginx with those this was built for.

#include "ngx_cxx.h"

#include "abi.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "bridge.h"

namespace upstream_502 {
namespace {

// A field, by the directive or variable whose entry in nginx's own tables says
// where it is. A field more before it moves it, so each structure's last one
// speaks for most of it. What a binary does not have is not compared.
struct Field {
  absl::string_view name;
  size_t offset;
};

constexpr Field kCoreFields[] = {
    {"server_names_hash_bucket_size",
     offsetof(ngx_http_core_main_conf_t, server_names_hash_bucket_size)},
    {"variables_hash_bucket_size",
     offsetof(ngx_http_core_main_conf_t, variables_hash_bucket_size)},
    {"connection_pool_size",
     offsetof(ngx_http_core_srv_conf_t, connection_pool_size)},
    {"underscores_in_headers",
     offsetof(ngx_http_core_srv_conf_t, underscores_in_headers)},
    {"default_type", offsetof(ngx_http_core_loc_conf_t, default_type)},
    {"send_timeout", offsetof(ngx_http_core_loc_conf_t, send_timeout)},
    {"etag", offsetof(ngx_http_core_loc_conf_t, etag)},
    {"client_body_temp_path",
     offsetof(ngx_http_core_loc_conf_t, client_body_temp_path)},
    {"types_hash_bucket_size",
     offsetof(ngx_http_core_loc_conf_t, types_hash_bucket_size)},
};

// In ngx_http_upstream_conf_t, which is a part of each protocol's own
// structure: the first one says where it begins.
constexpr Field kUpstreamFields[] = {
    {"connect_timeout", offsetof(ngx_http_upstream_conf_t, connect_timeout)},
    {"buffer_size", offsetof(ngx_http_upstream_conf_t, buffer_size)},
    {"next_upstream", offsetof(ngx_http_upstream_conf_t, next_upstream)},
    {"intercept_errors", offsetof(ngx_http_upstream_conf_t, intercept_errors)},
    {"socket_keepalive", offsetof(ngx_http_upstream_conf_t, socket_keepalive)},
#if (NGX_HTTP_CACHE)
    {"no_cache", offsetof(ngx_http_upstream_conf_t, no_cache)},
#endif
#if (NGX_HTTP_SSL)
    {"ssl_verify", offsetof(ngx_http_upstream_conf_t, ssl_verify)},
#endif
};

constexpr absl::string_view kProtocols[] = {"proxy", "fastcgi", "uwsgi",
                                            "scgi",  "grpc",    "memcached"};

constexpr Field kRequestFields[] = {
    {"http_host", offsetof(ngx_http_request_t, headers_in.host)},
    {"content_type", offsetof(ngx_http_request_t, headers_in.content_type)},
    {"sent_http_cache_control",
     offsetof(ngx_http_request_t, headers_out.cache_control)},
    {"uri", offsetof(ngx_http_request_t, uri)},
    {"request_uri", offsetof(ngx_http_request_t, unparsed_uri)},
    {"server_protocol", offsetof(ngx_http_request_t, http_protocol)},
    {"limit_rate", offsetof(ngx_http_request_t, limit_rate)},
};

bool Same(ngx_conf_t* cf, absl::string_view what, size_t theirs, size_t ours) {
  if (theirs != ours) {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "ngx_http_upstream_502_module was built for another nginx: "
        "%*s is %uz in this nginx and %uz in the one the module was built for; "
        "rebuild it with this nginx's configure arguments, add-ons and patches",
        what.size(), what.data(), theirs, ours);
  }
  return theirs == ours;
}

const ngx_command_t* FindDirective(const ngx_module_t& module,
                                   absl::string_view name) {
  const ngx_command_t* command = module.commands;
  while (command->name.len != 0 && View(command->name) != name) {
    ++command;
  }
  return command->name.len != 0 ? command : nullptr;
}

// `prefix` and the fields' names are the directives' names.
bool DirectivesFit(ngx_conf_t* cf, const ngx_module_t& module,
                   absl::string_view prefix, size_t base,
                   absl::Span<const Field> fields) {
  for (const Field& field : fields) {
    const std::string name = absl::StrCat(prefix, field.name);
    const ngx_command_t* found = FindDirective(module, name);
    if (found != nullptr &&
        !Same(cf, absl::StrCat("the field of \"", name, "\""),
              found->offset - base, field.offset)) {
      return false;
    }
  }
  return true;
}

bool UpstreamFits(ngx_conf_t* cf, const ngx_module_t& module,
                  absl::string_view protocol) {
  const std::string prefix = absl::StrCat(protocol, "_");
  const Field& first = kUpstreamFields[0];
  const ngx_command_t* found =
      FindDirective(module, absl::StrCat(prefix, first.name));
  return found == nullptr ||
         DirectivesFit(cf, module, prefix, found->offset - first.offset,
                       kUpstreamFields);
}

bool UpstreamsFit(ngx_conf_t* cf) {
  for (ngx_uint_t i = 0; cf->cycle->modules[i] != nullptr; ++i) {
    const ngx_module_t& module = *cf->cycle->modules[i];
    for (absl::string_view protocol : kProtocols) {
      if (module.name == absl::StrCat("ngx_http_", protocol, "_module") &&
          !UpstreamFits(cf, module, protocol)) {
        return false;
      }
    }
  }
  return true;
}

// nginx's arrays and lists know how large their elements are.
bool CycleFits(ngx_conf_t* cf) {
  const ngx_cycle_t& cycle = *cf->cycle;
  return Same(cf, "the size of a listening socket", cycle.listening.size,
              sizeof(ngx_listening_t)) &&
         Same(cf, "the size of an open file", cycle.open_files.size,
              sizeof(ngx_open_file_t)) &&
         Same(cf, "the size of a zone", cycle.shared_memory.size,
              sizeof(ngx_shm_zone_t)) &&
         Same(cf, "the address of the running configuration",
              reinterpret_cast<uintptr_t>(cycle.old_cycle),
              reinterpret_cast<uintptr_t>(ngx_cycle));
}

// The variables that nginx's core has added just before; those that are mere
// fields of a request hold where.
bool RequestFits(ngx_conf_t* cf) {
  const auto* core = static_cast<const ngx_http_core_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  const ngx_array_t& known = core->variables_keys->keys;
  const absl::Span<const ngx_hash_key_t> keys(
      static_cast<const ngx_hash_key_t*>(known.elts), known.nelts);
  for (const Field& field : kRequestFields) {
    for (const ngx_hash_key_t& key : keys) {
      if (View(key.key) == field.name &&
          !Same(cf, absl::StrCat("the field of \"$", field.name, "\""),
                static_cast<const ngx_http_variable_t*>(key.value)->data,
                field.offset)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

// Each test relies on what those before it have found good.
bool FitsServer(ngx_conf_t* cf) {
  return CycleFits(cf) &&
         DirectivesFit(cf, ngx_http_core_module, "", 0, kCoreFields) &&
         UpstreamsFit(cf) && RequestFits(cf);
}

}  // namespace upstream_502
