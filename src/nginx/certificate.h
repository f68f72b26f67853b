// What an upstream showed of itself in a TLS handshake that failed.

#ifndef UPSTREAM_502_SRC_NGINX_CERTIFICATE_H_
#define UPSTREAM_502_SRC_NGINX_CERTIFICATE_H_

#include "ngx_cxx.h"

#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// Whether failures of this cause have anything of that.
bool ConcernsTls(Cause cause);

// Adds the certificate, and the name that was sent, of `u`'s connection, which
// is still open. Nothing where nginx has no TLS.
void AddCertificate(const ngx_http_upstream_t* u, const Failure& failure,
                    Evidence* evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_CERTIFICATE_H_
