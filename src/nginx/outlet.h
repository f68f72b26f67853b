// What one request is sent piece by piece, while others are served: as fast as
// its client takes it, each piece in a turn of the desk.

#ifndef UPSTREAM_502_SRC_NGINX_OUTLET_H_
#define UPSTREAM_502_SRC_NGINX_OUTLET_H_

#include "ngx_cxx.h"

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "desk.h"

namespace upstream_502 {

struct Chunk;

// Begins with NewOutlet and lives as long as its request.
class Outlet : public Place {
 public:
  Outlet(ngx_http_request_t* r, MainConf* conf);
  virtual ~Outlet();
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  // To be called when the header was sent: what the content handler returns.
  ngx_int_t Serve();

  // There is something to make again: gives it a turn, unless its client has
  // to take something first.
  void Wake();

  // Ends the response at once: well, if its client has taken all and `well`.
  // Nothing where nginx has taken the request back.
  void Close(bool well);

 protected:
  enum class Made : uint8_t { kMore, kNothing, kAll };

  // Makes the next piece, maybe nothing, in one small step. With kNothing it
  // is asked again when it was woken, with kAll never.
  virtual Made Make(std::string* text) = 0;

  MainConf* conf() const { return conf_; }

 private:
  static void OnTurn(Place* place);
  static void OnWrite(ngx_http_request_t* r);
  static void OnRead(ngx_http_request_t* r);
  static Outlet* Find(const ngx_http_request_t* r);

  bool IsOwner() const;
  bool IsHeldUp() const;
  ngx_chain_t* TakeChunk(size_t size);
  void GiveChunk(const u_char* start);
  ngx_int_t Send(absl::string_view text);
  ngx_int_t Step();
  ngx_int_t Proceed(bool its_turn);
  void GoOn(bool its_turn);
  void WatchClient();
  bool AwaitRoom();

  ngx_http_request_t* request_;
  MainConf* conf_;
  Chunk* chunks_ = nullptr;
  ngx_chain_t* free_ = nullptr;
  ngx_chain_t* busy_ = nullptr;
  bool done_ = false;  // all is made
  bool idle_ = false;  // nothing is to be made
};

// Pool cleanup handler.
void DestroyOutlet(void* data);

// A `T`, which is an Outlet, for this request; nullptr when memory is out.
template <typename T, typename... Args>
T* NewOutlet(ngx_http_request_t* r, Args&&... args) {
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(r->pool, sizeof(T));
  if (cleanup == nullptr) {
    return nullptr;
  }
  T* outlet = new (cleanup->data) T(r, std::forward<Args>(args)...);
  cleanup->data = static_cast<Outlet*>(outlet);
  cleanup->handler = DestroyOutlet;
  return outlet;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_OUTLET_H_
