// A report that is made once for all who read it at the same time.

#ifndef UPSTREAM_502_SRC_NGINX_SHARED_REPORT_H_
#define UPSTREAM_502_SRC_NGINX_SHARED_REPORT_H_

#include "ngx_cxx.h"

#include <optional>

#include "conf.h"
#include "system/pages.h"
#include "upstream_502/advice/diagnose.h"
#include "upstream_502/report/excerpt.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

// Made in steps of less than a millisecond; all of its memory is given back to
// the system when it is destroyed.
class SharedReport {
 public:
  // Of the store as it is now; history by the hour with `hours`.
  SharedReport(const MainConf& conf, bool hours);
  SharedReport(const SharedReport&) = delete;
  SharedReport& operator=(const SharedReport&) = delete;

  // Makes some more of it; false when it is whole. Throws when memory is out:
  // then it will never be.
  bool Make();

  bool is_whole() const { return whole_; }
  bool has_failed() const { return failed_; }
  bool has_hours() const { return hours_; }
  ngx_msec_t age() const { return ngx_current_msec - begun_; }
  const Report& report() const { return *report_; }

  ngx_queue_t readers;            // the places of those that read it
  SharedReport* newer = nullptr;  // of this worker

 private:
  bool MakeNext();
  void NameServer();

  const MainConf& conf_;
  const bool hours_;
  const ngx_msec_t begun_;
  bool whole_ = false;
  bool failed_ = false;
  bool explained_ = false;  // what its incidents were
  Region region_;
  Report* report_ = nullptr;            // in the region, and never destroyed
  std::optional<Copier> copier_;        // until all is copied
  std::optional<Diagnoser> diagnoser_;  // and then until all is diagnosed
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_SHARED_REPORT_H_
