// The metrics, in Prometheus' text format and as OpenMetrics 1.0.

#ifndef UPSTREAM_502_REPORT_PROMETHEUS_H_
#define UPSTREAM_502_REPORT_PROMETHEUS_H_

#include <memory>

#include "upstream_502/report/parts.h"

namespace upstream_502 {

std::unique_ptr<Renderer> MakePrometheusRenderer(const Excerpt& excerpt);
std::unique_ptr<Renderer> MakeOpenMetricsRenderer(const Excerpt& excerpt);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_PROMETHEUS_H_
