// The interpreter's memory: blocks by size, cut one after the other from one piece.
//
// Each call begins with a copy of the image's pages and pays for every page that it writes to. So what a call
// makes lies together: memory_seal() forgets the holes that the preparation left all over the image and lays
// out a fresh piece for the call. QuickJS's own pools, a page and more for each size, are not compiled in
// (cmake/javascript.cmake).

#include <stdlib.h>
#include <string.h>

#include "engine.h"

enum {
  small_max = 1024,
  step = 16,
  class_count = small_max / step,
  piece_bytes = 64 * 1024,
  page_bytes = 4096,
};

struct block {
  uint32_t size;  // Without this header.
  uint32_t reserved;
  union {
    struct block* next;  // Of a free one.
    uint8_t content[8];
  } is;
};

static const size_t header_bytes = offsetof(struct block, is);

static struct block* free_blocks[class_count];
static uint8_t* piece;
static uint8_t* piece_end;

static struct block* block_of(void* content) { return (struct block*)((uint8_t*)content - header_bytes); }
static size_t class_of(size_t size) { return (size + step - 1) / step - 1; }

// When there is no more memory: a block that is larger than it need be.
static struct block* take_larger(size_t class) {
  for (; class < class_count; ++class) {
    struct block* const found = free_blocks[class];
    if (!found) continue;
    free_blocks[class] = found->is.next;
    return found;
  }
  return NULL;
}

static void* allocate_small(size_t size) {
  const size_t class = class_of(size);
  struct block* block = free_blocks[class];
  if (block) {
    free_blocks[class] = block->is.next;
    return block->is.content;
  }
  const size_t bytes = (class + 1) * step + header_bytes;
  if ((size_t)(piece_end - piece) < bytes) {
    uint8_t* const made = malloc(piece_bytes);
    if (!made) {
      block = take_larger(class);
      return block ? block->is.content : NULL;
    }
    piece = made;
    piece_end = made + piece_bytes;
  }
  block = (struct block*)piece;
  piece += bytes;
  block->size = (uint32_t)(bytes - header_bytes);
  return block->is.content;
}

static void* allocate(void* unused, size_t size) {
  (void)unused;
  if (size <= small_max) return allocate_small(size == 0 ? 1 : size);
  if (size > UINT32_MAX - header_bytes) return NULL;
  struct block* const block = malloc(size + header_bytes);
  if (!block) return NULL;
  block->size = (uint32_t)size;
  return block->is.content;
}

static void* allocate_zeros(void* unused, size_t count, size_t size) {
  void* const content = allocate(unused, count * size);  // QuickJS has seen to it that it fits.
  return content ? memset(content, 0, count * size) : NULL;
}

static void release(void* unused, void* content) {
  (void)unused;
  if (!content) return;
  struct block* const block = block_of(content);
  if (block->size > small_max) return free(block);
  const size_t class = class_of(block->size);
  block->is.next = free_blocks[class];
  free_blocks[class] = block;
}

static void* resize(void* unused, void* content, size_t size) {
  if (!content) return allocate(unused, size);
  struct block* block = block_of(content);
  if (block->size > small_max && size > small_max) {
    if (size > UINT32_MAX - header_bytes) return NULL;
    block = realloc(block, size + header_bytes);
    if (!block) return NULL;
    block->size = (uint32_t)size;
    return block->is.content;
  }
  if (size <= block->size && block->size <= small_max) return content;
  void* const made = allocate(unused, size);
  if (!made) return NULL;
  memcpy(made, content, size < block->size ? size : block->size);
  release(unused, content);
  return made;
}

static size_t usable_size(const void* content) {
  return content ? block_of((void*)content)->size : 0;
}

const JSMallocFunctions memory_functions = {allocate_zeros, allocate, release, resize, usable_size};

void memory_seal(void) {
  uint8_t* const made = aligned_alloc(page_bytes, piece_bytes);
  if (!made) return;
  memset(free_blocks, 0, sizeof free_blocks);
  piece = made;
  piece_end = made + piece_bytes;
}
