// The checks after a failure of TLS, by message and alert: a plain port, a
// version, a name and a certificate each want their own.
//
//   TlsChecks({.cause = Cause::kTlsTimeout}, {}, ParsePeer("127.0.0.1:443"),
//   nullptr)
//   == {"openssl s_client -connect 127.0.0.1:443 </dev/null", …}

#ifndef UPSTREAM_502_ADVICE_TLS_CHECKS_H_
#define UPSTREAM_502_ADVICE_TLS_CHECKS_H_

#include <string>
#include <vector>

#include "upstream_502/advice/address.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// Of `text`: upstream, peer and message.
std::vector<std::string> TlsChecks(const Failure& failure,
                                   const FailureText& text,
                                   const PeerAddress& address,
                                   const Evidence* evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_TLS_CHECKS_H_
