// Memory that goes all at once.

#include "upstream_502/words/region.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace upstream_502 {
namespace {

constexpr size_t kAlignment = alignof(std::max_align_t);
constexpr size_t kBlock = size_t{256} * 1024;

size_t Aligned(size_t size) {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

constinit Region* Region::in_use_ = nullptr;

const Region::Source Region::kHeap = {
    [](size_t size) { return ::operator new(size, std::nothrow); },
    [](void* block, size_t) { ::operator delete(block); }};

Region::~Region() {
  while (blocks_ != nullptr) {
    Block* const block = blocks_;
    blocks_ = block->next;
    source_.give(block, block->size);
  }
}

// What is too large for the block at work gets one of its own, and leaves the
// rest of that one to others.
void* Region::Allocate(size_t size) {
  if (size > SIZE_MAX / 2) {
    throw std::bad_alloc();
  }
  size = Aligned(size);
  if (size > left_) {
    char* const free = free_;
    const size_t left = left_;
    AddBlock(size);
    if (left > left_ - size) {
      char* const own = free_;
      free_ = free;
      left_ = left;
      return own;
    }
  }
  left_ -= size;
  return std::exchange(free_, free_ + size);
}

void Region::AddBlock(size_t room) {
  const size_t size = std::max(kBlock, room + Aligned(sizeof(Block)));
  void* const memory = source_.take(size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  blocks_ = new (memory) Block{blocks_, size};
  free_ = static_cast<char*>(memory) + Aligned(sizeof(Block));
  left_ = size - Aligned(sizeof(Block));
  size_ += size;
}

}  // namespace upstream_502
