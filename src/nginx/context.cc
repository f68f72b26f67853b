// Finds the context of a request, whatever nginx did with r->ctx.

#include "ngx_cxx.h"

#include "context.h"

#include <algorithm>
#include <new>

#include "bridge.h"

namespace upstream_502 {
namespace {

// Runs with the pool and marks its cleanup as ours.
void FamilyCleanup(void*) {}

// The place of the context of `r`, or the free one where it would be. There is
// always one.
Context** PlaceOf(const Family& family, const ngx_http_request_t* r) {
  const uint64_t hash = reinterpret_cast<uintptr_t>(r) * kMultiplier;
  uint32_t at = static_cast<uint32_t>(hash >> 32) & family.mask;
  while (family.places[at] != nullptr && family.places[at]->request != r) {
    at = (at + 1) & family.mask;
  }
  return &family.places[at];
}

// Keeps half of the places free. False when memory is out.
bool MakeRoom(Family* family, ngx_pool_t* pool) {
  const uint32_t places = family->places == nullptr ? 0 : family->mask + 1;
  if (family->count < places / 2) {
    return true;
  }
  const uint32_t wanted = std::max(2 * places, 8U);
  auto* more =
      static_cast<Context**>(ngx_pcalloc(pool, wanted * sizeof(void*)));
  if (more == nullptr) {
    return false;
  }
  family->places = more;
  family->mask = wanted - 1;
  for (Context* each = family->newest; each != nullptr; each = each->older) {
    *PlaceOf(*family, each->request) = each;
  }
  return true;
}

void Join(Family* family, ngx_http_request_t* r, Context* context) {
  context->request = r;
  context->family = family;
  context->older = family->newest;
  family->newest = context;
  ++family->count;
  ngx_http_set_ctx(r, context, ngx_http_upstream_502_module);
}

// A family with the context of its main request.
Family* NewFamily(ngx_http_request_t* main) {
  struct Both {
    Context context;
    Family family;
  };
  void* memory = ngx_palloc(main->pool, sizeof(Both));
  if (memory == nullptr) {
    return nullptr;
  }
  auto* both = new (memory) Both;
  Family& family = both->family;
  family = {.cleanup = {FamilyCleanup, &family, main->pool->cleanup},
            .main = &both->context,
            .newest = nullptr,
            .places = nullptr,
            .mask = 0,
            .count = 0};
  // As ngx_pool_cleanup_add() does, without another piece of memory.
  main->pool->cleanup = &family.cleanup;
  Join(&family, main, family.main);
  return &family;
}

}  // namespace

Family* FindDetachedFamily(ngx_http_request_t* main) {
  for (const ngx_pool_cleanup_t* cleanup = main->pool->cleanup;
       cleanup != nullptr; cleanup = cleanup->next) {
    if (cleanup->handler == FamilyCleanup) {
      auto* family = static_cast<Family*>(cleanup->data);
      ngx_http_set_ctx(main, family->main, ngx_http_upstream_502_module);
      return family;
    }
  }
  return nullptr;
}

Context* FindDetachedContext(ngx_http_request_t* r) {
  const Family* family = FindFamily(r);
  if (family == nullptr || r == r->main) {
    return family == nullptr ? nullptr : family->main;
  }
  Context* context = family->places == nullptr ? nullptr : *PlaceOf(*family, r);
  if (context != nullptr) {
    ngx_http_set_ctx(r, context, ngx_http_upstream_502_module);
  }
  return context;
}

Context* FindOrAddContext(ngx_http_request_t* r) {
  Context* context = FindContext(r);
  if (context != nullptr) {
    return context;
  }
  Family* family = FindFamily(r);
  if (family == nullptr) {
    family = NewFamily(r->main);
  }
  if (family == nullptr || r == r->main) {
    return family == nullptr ? nullptr : family->main;
  }
  context = MakeRoom(family, r->pool) ? PoolNew<Context>(r->pool) : nullptr;
  if (context != nullptr) {
    Join(family, r, context);
    *PlaceOf(*family, r) = context;
  }
  return context;
}

Note** Notes::Search(uint32_t run, uint32_t element) const {
  return std::lower_bound(at_, at_ + count_ - 1, element,
                          [run](const Note* note, uint32_t wanted) {
                            return IsBefore(*note, run, wanted);
                          });
}

Note* Notes::Add(ngx_pool_t* pool, uint32_t run, uint32_t element,
                 size_t room) {
  void* memory =
      MakeRoom(pool) ? ngx_palloc(pool, sizeof(Note) + room) : nullptr;
  if (memory == nullptr) {
    return nullptr;
  }
  auto* note = new (memory) Note;
  note->run = run;
  note->element = element;
  note->room = {reinterpret_cast<char*>(note + 1), room};
  Note** place = Place(run, element);
  std::copy_backward(place, at_ + count_, at_ + count_ + 1);
  *place = note;
  ++count_;
  return note;
}

bool Notes::MakeRoom(ngx_pool_t* pool) {
  if (count_ < room_) {
    return true;
  }
  auto* more =
      static_cast<Note**>(ngx_palloc(pool, 2 * size_t{room_} * sizeof(void*)));
  if (more == nullptr) {
    return false;
  }
  std::copy(at_, at_ + count_, more);
  at_ = more;
  room_ *= 2;
  return true;
}

}  // namespace upstream_502
