// The directives.

#include "ngx_cxx.h"

#include "directives.h"

#include <algorithm>
#include <iterator>

#include "absl/types/span.h"
#include "access.h"
#include "bridge.h"
#include "capture.h"
#include "conf.h"
#include "place.h"
#include "status.h"
#include "upstream_502/report/proxy_status.h"

namespace upstream_502 {
namespace {

constexpr size_t kDefaultZoneSize = 8 * 1024 * 1024;
constexpr int64_t kDefaultInactiveMs = int64_t{24} * 60 * kMinuteMs;
constexpr Rings kDefaultRings = {.events = 1024, .incidents = 128};
constexpr uint32_t kMaxEvents = 1000000;
constexpr uint32_t kMaxIncidents = 10000;

char* BadValue(ngx_conf_t* cf, const ngx_str_t& value, const char* allowed) {
  const auto* args = static_cast<const ngx_str_t*>(cf->args->elts);
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                     "invalid value \"%V\" in \"%V\" directive, it must be %s",
                     &value, &args[0], allowed);
  return kConfError;
}

char* IsDuplicate() {
  static char text[] = "is duplicate";
  return text;
}

// What a parameter is about: "" for one that is a value alone.
absl::string_view NameOf(const ngx_str_t& parameter) {
  const absl::string_view text = View(parameter);
  const size_t end = text.find('=');
  return end == absl::string_view::npos ? "" : text.substr(0, end);
}

// Of two parameters about one thing one would not be heard.
char* RefuseRepeated(ngx_conf_t* cf, ngx_uint_t first) {
  const auto* args = static_cast<const ngx_str_t*>(cf->args->elts);
  for (ngx_uint_t i = first; i < cf->args->nelts; ++i) {
    for (ngx_uint_t j = first; j < i; ++j) {
      if (NameOf(args[i]) == NameOf(args[j])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in \"%V\" directive is about what \"%V\" "
                           "has said already",
                           &args[i], &args[0], &args[j]);
        return kConfError;
      }
    }
  }
  return kConfOk;
}

// True and the rest of `value` where it begins with `name`.
bool Consume(ngx_str_t value, absl::string_view name, ngx_str_t* rest) {
  if (View(value).substr(0, name.size()) != name) {
    return false;
  }
  *rest = {value.len - name.size(), value.data + name.size()};
  return true;
}

// A number from 1 to `most`.
bool ParseCount(ngx_str_t value, uint32_t most, uint32_t* count) {
  const ngx_int_t number = ngx_atoi(value.data, value.len);
  *count = static_cast<uint32_t>(number);
  return number >= 1 && number <= static_cast<ngx_int_t>(most);
}

char* SetZoneOption(ngx_conf_t* cf, ngx_str_t option, Zone* zone) {
  ngx_str_t value;
  if (Consume(option, "events=", &value)) {
    return ParseCount(value, kMaxEvents, &zone->rings.events)
               ? kConfOk
               : BadValue(cf, option,
                          "\"events=\" and a number from 1 to 1000000");
  }
  if (Consume(option, "incidents=", &value)) {
    return ParseCount(value, kMaxIncidents, &zone->rings.incidents)
               ? kConfOk
               : BadValue(cf, option,
                          "\"incidents=\" and a number from 1 to 10000");
  }
  if (Consume(option, "inactive=", &value)) {
    const auto ms = static_cast<ngx_int_t>(ngx_parse_time(&value, 0));
    zone->inactive = ms;
    return ms >= kMinuteMs
               ? kConfOk
               : BadValue(cf, option,
                          "\"inactive=\" and a time of one minute or more");
  }
  if (Consume(option, "state=", &value) && value.len != 0) {
    zone->state = value;
    return ngx_conf_full_name(cf->cycle, &zone->state, 0) == NGX_OK
               ? kConfOk
               : kConfError;
  }
  return BadValue(cf, option,
                  "\"events=number\", \"incidents=number\", "
                  "\"inactive=time\" or \"state=path\"");
}

char* SetZone(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& zone = static_cast<MainConf*>(conf)->zone;
  auto* args = static_cast<ngx_str_t*>(cf->args->elts);
  constexpr const char* kSyntax =
      "\"name:size [events=number] [incidents=number] [inactive=time] "
      "[state=path]\"";

  if (zone.name.len != 0) {
    return IsDuplicate();
  }
  const size_t colon = View(args[1]).rfind(':');
  if (colon == absl::string_view::npos || colon == 0) {
    return BadValue(cf, args[1], kSyntax);
  }
  ngx_str_t size = {args[1].len - colon - 1, args[1].data + colon + 1};
  const ssize_t parsed = ngx_parse_size(&size);
  if (parsed <= 0) {
    return BadValue(cf, args[1], kSyntax);
  }
  zone.rings = kDefaultRings;
  zone.inactive = kDefaultInactiveMs;
  for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
    char* const rc = SetZoneOption(cf, args[i], &zone);
    if (rc != kConfOk) {
      return rc;
    }
  }
  zone.name = {colon, args[1].data};
  zone.size = static_cast<size_t>(parsed);
  const size_t minimum = MinimumZoneSize(zone.rings);
  if (zone.size < minimum) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive: the zone is "
                       "too small for %uD events and %uD incidents, it must be "
                       "at least %uzk",
                       &args[1], &args[0], zone.rings.events,
                       zone.rings.incidents, minimum / 1024);
    return kConfError;
  }
  return RefuseRepeated(cf, 2);
}

bool ParseStatusArgument(ngx_str_t value, LocConf* conf) {
  const absl::string_view text = View(value);
  if (text == "access=local" || text == "access=any") {
    conf->status_any = text == "access=any";
    return true;
  }
  if (text == "write=on" || text == "write=off") {
    conf->status_write = text == "write=on";
    return true;
  }
  if (text == "auto") {
    conf->status_format = Format::kAuto;
    return true;
  }
  return ParseFormat(text, &conf->status_format);
}

char* SetStatus(ngx_conf_t* cf, ngx_command_t*, void* data) {
  auto* conf = static_cast<LocConf*>(data);
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  if (core->handler == HandleStatus) {
    return IsDuplicate();
  }
  const auto* args = static_cast<const ngx_str_t*>(cf->args->elts);
  for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
    if (!ParseStatusArgument(args[i], conf)) {
      return BadValue(cf, args[i],
                      "\"auto\", \"html\", \"json\", \"text\", "
                      "\"prometheus\", \"access=local\", \"access=any\", "
                      "\"write=on\" or \"write=off\"");
    }
  }
  core->handler = HandleStatus;
  return RefuseRepeated(cf, 1);
}

// One of `names`, by its number.
char* SetOneOf(ngx_conf_t* cf, absl::Span<const absl::string_view> names,
               const char* allowed, ngx_uint_t* value) {
  const auto* args = static_cast<const ngx_str_t*>(cf->args->elts);
  if (*value != NGX_CONF_UNSET_UINT) {
    return IsDuplicate();
  }
  const auto* found = std::find(names.begin(), names.end(), View(args[1]));
  if (found == names.end()) {
    return BadValue(cf, args[1], allowed);
  }
  *value = static_cast<ngx_uint_t>(found - names.begin());
  return kConfOk;
}

char* SetVariableNames(ngx_conf_t* cf, ngx_command_t*, void* data) {
  constexpr absl::string_view kNames[] = {"location", "resolved"};
  return SetOneOf(cf, kNames, "\"location\" or \"resolved\"",
                  &static_cast<LocConf*>(data)->variable_names);
}

char* SetRecordUri(ngx_conf_t* cf, ngx_command_t*, void* data) {
  constexpr absl::string_view kNames[] = {"off", "path", "full"};
  return SetOneOf(cf, kNames, "\"path\", \"full\" or \"off\"",
                  &static_cast<LocConf*>(data)->record_uri);
}

char* SetProxyStatus(ngx_conf_t* cf, ngx_command_t*, void* data) {
  auto* conf = static_cast<LocConf*>(data);
  const auto* args = static_cast<const ngx_str_t*>(cf->args->elts);
  constexpr const char* kAllowed =
      "\"off\", \"on\" or a name of letters, digits and any of "
      ":/!#$%&'*+-.^_`|~, with \"details\" behind it if wanted";
  if (conf->proxy_status != NGX_CONF_UNSET) {
    return IsDuplicate();
  }
  const absl::string_view name = View(args[1]);
  if (!IsProxyName(name)) {
    return BadValue(cf, args[1], kAllowed);
  }
  if (cf->args->nelts > 2 && (View(args[2]) != "details" || name == "off")) {
    return BadValue(cf, args[2], kAllowed);
  }
  conf->proxy_status = name != "off";
  conf->proxy_details = cf->args->nelts > 2;
  conf->proxy_name = PoolCopy(cf->pool, name == "on" ? kProxyName : name);
  return conf->proxy_name.data == nullptr ? kConfError : kConfOk;
}

}  // namespace

ngx_command_t commands[] = {
    {
        .name = ngx_string("upstream_502_zone"),
        .type = NGX_HTTP_MAIN_CONF | NGX_CONF_1MORE,
        .set = SetZone,
        .conf = NGX_HTTP_MAIN_CONF_OFFSET,
        .offset = 0,
        .post = nullptr,
    },
    {
        .name = ngx_string("upstream_502_incident_log"),
        .type = NGX_HTTP_MAIN_CONF | NGX_CONF_FLAG,
        .set = ngx_conf_set_flag_slot,
        .conf = NGX_HTTP_MAIN_CONF_OFFSET,
        .offset = offsetof(MainConf, incident_log),
        .post = nullptr,
    },
    {
        .name = ngx_string("upstream_502"),
        .type = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
                NGX_HTTP_LIF_CONF | NGX_CONF_FLAG,
        .set = ngx_conf_set_flag_slot,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = offsetof(LocConf, enable),
        .post = nullptr,
    },
    {
        .name = ngx_string("upstream_502_evidence"),
        .type = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
                NGX_CONF_FLAG,
        .set = ngx_conf_set_flag_slot,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = offsetof(LocConf, evidence),
        .post = nullptr,
    },
    {
        .name = ngx_string("upstream_502_variable_names"),
        .type = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
                NGX_CONF_TAKE1,
        .set = SetVariableNames,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = 0,
        .post = nullptr,
    },
    {
        .name = ngx_string("upstream_502_status"),
        .type = NGX_HTTP_LOC_CONF | NGX_CONF_ANY,
        .set = SetStatus,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = 0,
        .post = nullptr,
    },
    {
        .name = ngx_string("upstream_502_record_uri"),
        .type = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
                NGX_CONF_TAKE1,
        .set = SetRecordUri,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = 0,
        .post = nullptr,
    },
    {
        .name = ngx_string("upstream_502_proxy_status"),
        .type = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF |
                NGX_CONF_TAKE12,
        .set = SetProxyStatus,
        .conf = NGX_HTTP_LOC_CONF_OFFSET,
        .offset = 0,
        .post = nullptr,
    },
    ngx_null_command,
};

void* CreateMainConf(ngx_conf_t* cf) {
  auto* conf = static_cast<MainConf*>(ngx_pcalloc(cf->pool, sizeof(MainConf)));
  if (conf != nullptr) {
    conf->incident_log = NGX_CONF_UNSET;
  }
  return conf;
}

char* InitMainConf(ngx_conf_t* cf, void* data) {
  auto* conf = static_cast<MainConf*>(data);
  ngx_conf_init_value(conf->incident_log, 0);
  auto& zone = conf->zone;
  if (zone.name.len == 0) {
    ngx_str_set(&zone.name, "upstream_502");
    zone.size = kDefaultZoneSize;
    zone.rings = kDefaultRings;
    zone.inactive = kDefaultInactiveMs;
  }
  // Names as long as this module's hardly share a bucket of 64 bytes: nginx's
  // own 1024 may be too few for them and for those of another module. It is
  // only how far nginx looks.
  auto* core = static_cast<ngx_http_core_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  core->variables_hash_max_size =
      std::max<ngx_uint_t>(core->variables_hash_max_size, 2048);
  return Guarded(cf->log, kConfError, [cf, &zone] {
    return DeclareZone(cf, &zone) ? kConfOk : kConfError;
  });
}

void* CreateLocConf(ngx_conf_t* cf) {
  auto* conf = PoolNew<LocConf>(cf->pool);
  if (conf == nullptr) {
    return nullptr;
  }
  conf->enable = NGX_CONF_UNSET;
  conf->evidence = NGX_CONF_UNSET;
  conf->variable_names = NGX_CONF_UNSET_UINT;
  conf->record_uri = NGX_CONF_UNSET_UINT;
  conf->proxy_status = NGX_CONF_UNSET;
  conf->proxy_details = 0;
  conf->proxy_name = {0, nullptr};
  conf->status_format = Format::kAuto;
  conf->status_any = 0;
  conf->status_write = 0;
  conf->status_names = nullptr;
  return conf;
}

char* MergeLocConf(ngx_conf_t* cf, void* parent, void* child) {
  auto& prev = *static_cast<LocConf*>(parent);
  auto& conf = *static_cast<LocConf*>(child);
  constexpr auto kLocation = static_cast<ngx_uint_t>(VariableNames::kLocation);
  constexpr auto kPath = static_cast<ngx_uint_t>(RecordUri::kPath);

  ngx_conf_merge_value(conf.enable, prev.enable, 1);
  ngx_conf_merge_value(conf.evidence, prev.evidence, 1);
  ngx_conf_merge_uint_value(conf.variable_names, prev.variable_names,
                            kLocation);
  ngx_conf_merge_uint_value(conf.record_uri, prev.record_uri, kPath);

  if (conf.proxy_status == NGX_CONF_UNSET) {
    conf.proxy_details = prev.proxy_details;
    conf.proxy_name = prev.proxy_name;
  }
  ngx_conf_merge_value(conf.proxy_status, prev.proxy_status, 0);

  MainConf* main = GetMainConf(cf);
  main->asks = main->asks || (conf.enable && conf.evidence);

  auto* core = static_cast<ngx_http_core_loc_conf_t*>(
      ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  // An `if` in a status location goes on with its handler.
  if (core->handler != HandleStatus) {
    conf.status_format = prev.status_format;
    conf.status_any = prev.status_any;
    conf.status_write = prev.status_write;
    conf.status_names = prev.status_names;
  } else if ((conf.status_names = KeepServerNames(cf)) == nullptr) {
    return kConfError;
  }
  return KeepLocation(cf) && LogErrors(cf, core->error_log) ? kConfOk
                                                            : kConfError;
}

}  // namespace upstream_502
