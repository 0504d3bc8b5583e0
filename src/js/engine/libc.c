// What the C library would ask the host for, and must not: there are no files here. Whatever it prints (only
// the words of an assertion) goes nowhere.

#include <wasi/api.h>

__wasi_errno_t __wasi_fd_close(__wasi_fd_t fd) {
  (void)fd;
  return __WASI_ERRNO_BADF;
}

__wasi_errno_t __wasi_fd_fdstat_get(__wasi_fd_t fd, __wasi_fdstat_t* out) {
  (void)fd;
  (void)out;
  return __WASI_ERRNO_BADF;
}

__wasi_errno_t __wasi_fd_seek(__wasi_fd_t fd, __wasi_filedelta_t offset, __wasi_whence_t whence,
                              __wasi_filesize_t* out) {
  (void)fd;
  (void)offset;
  (void)whence;
  (void)out;
  return __WASI_ERRNO_BADF;
}

__wasi_errno_t __wasi_fd_write(__wasi_fd_t fd, const __wasi_ciovec_t* vectors, size_t count, __wasi_size_t* out) {
  (void)fd;
  *out = 0;
  for (size_t i = 0; i < count; ++i) *out += vectors[i].buf_len;
  return __WASI_ERRNO_SUCCESS;
}
