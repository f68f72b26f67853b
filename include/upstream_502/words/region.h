// Memory that goes all at once: what is made for reports is written once, read
// by many and then given back to the system whole, without a look at each
// piece of it.
//
//   Region region;
//   {
//     const Region::Use use(&region);
//     auto* names = new (region.Allocate(sizeof(List<String>))) List<String>;
//     names->push_back(String("in the region"));
//   }
//   // Never destroyed: it ends with the region.
//
// A String or List that is made while no region is in use is as any other.

#ifndef UPSTREAM_502_WORDS_REGION_H_
#define UPSTREAM_502_WORDS_REGION_H_

#include <cstddef>
#include <new>
#include <string>
#include <vector>

namespace upstream_502 {

class Region {
 public:
  // Where its memory comes from, in blocks. `take` returns nullptr when memory
  // is out.
  struct Source {
    void* (*take)(size_t size);
    void (*give)(void* block, size_t size);
  };
  static const Source kHeap;

  explicit Region(const Source& source = kHeap) : source_(source) {}
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // For any type that is not over-aligned; throws std::bad_alloc.
  void* Allocate(size_t size);

  // Bytes of all blocks, used or not.
  size_t size() const { return size_; }

  // Puts in this region what is made of strings and lists as long as it
  // lives. For one thread: what a library keeps by thread takes memory when it
  // is first asked for, and ends the process where there is none.
  class Use {
   public:
    explicit Use(Region* region) : before_(in_use_) { in_use_ = region; }
    ~Use() { in_use_ = before_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Region* before_;
  };
  static Region* InUse() { return in_use_; }

 private:
  struct Block {
    Block* next;
    size_t size;
  };

  void AddBlock(size_t room);

  static Region* in_use_;

  const Source& source_;
  Block* blocks_ = nullptr;
  char* free_ = nullptr;
  size_t left_ = 0;
  size_t size_ = 0;
};

// Remembers the region that was in use when its container was made.
template <typename T>
class RegionAllocator {
 public:
  using value_type = T;

  RegionAllocator() : region_(Region::InUse()) {}
  template <typename U>
  // NOLINTNEXTLINE(google-explicit-constructor): allocators convert.
  RegionAllocator(const RegionAllocator<U>& other) : region_(other.region()) {}

  T* allocate(size_t count) {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    const size_t size = count * sizeof(T);
    return static_cast<T*>(region_ == nullptr ? ::operator new(size)
                                              : region_->Allocate(size));
  }
  void deallocate(T* memory, size_t) noexcept {
    if (region_ == nullptr) {
      ::operator delete(memory);
    }
  }
  // A copy lies where copies are made now.
  RegionAllocator select_on_container_copy_construction() const { return {}; }

  Region* region() const { return region_; }
  friend bool operator==(const RegionAllocator& a, const RegionAllocator& b) {
    return a.region_ == b.region_;
  }

 private:
  Region* region_;
};

using String =
    std::basic_string<char, std::char_traits<char>, RegionAllocator<char>>;
template <typename T>
using List = std::vector<T, RegionAllocator<T>>;

inline bool operator==(const String& a, const std::string& b) {
  return a.compare(0, a.size(), b.data(), b.size()) == 0;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_REGION_H_
