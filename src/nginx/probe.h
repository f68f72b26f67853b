// Asks the kernel about attempts that fail, at the moment they do: nginx's
// structs become a request to the prober of this worker, within its budget.

#ifndef UPSTREAM_502_SRC_NGINX_PROBE_H_
#define UPSTREAM_502_SRC_NGINX_PROBE_H_

#include "ngx_cxx.h"

#include "upstream_502/verdict/note.h"

namespace upstream_502 {

// When a process starts, where it is a worker and some location wants
// evidence: nothing is asked in any other.
void StartProbing(ngx_cycle_t* cycle);

// When it ends.
void StopProbing();

// A line has just told that the attempt of `note` failed; what it was cut off
// from is still open. Sets note->evidence where the kernel was asked.
void AskAtLine(ngx_http_request_t* r, Note* note);

// The same where the attempt of `note`, the last of its run, turned out as
// `failure` though no line told so. Where one did, it is asked again whether
// the service that listened is still there.
void AskAtEnd(ngx_http_request_t* r, const Failure& failure, Note* note);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_PROBE_H_
