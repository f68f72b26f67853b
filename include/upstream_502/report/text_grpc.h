// What the text report says of calls of gRPC that did not end well: nginx
// passes the status on, and no attempt failed.

#ifndef UPSTREAM_502_REPORT_TEXT_GRPC_H_
#define UPSTREAM_502_REPORT_TEXT_GRPC_H_

#include <string>

#include "upstream_502/report/parts.h"

namespace upstream_502 {

// "answered by api with a grpc-status that is not OK: UNAVAILABLE (14) 3";
// nothing where all of them are.
void AppendGrpc(const UpstreamStats& upstream, std::string* out);

// The same of those that have no failed attempt.
Part GrpcAnswers(const Excerpt& excerpt);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_TEXT_GRPC_H_
