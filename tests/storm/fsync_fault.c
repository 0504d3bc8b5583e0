// Loaded before the C library: fsync and fdatasync fail as long as the file is there that CANOPY_TEST_FSYNC_FAULT
// names. As on a disk that fails, what was written stays to be read.

#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_faulty(void) {
  const char* const fault = getenv("CANOPY_TEST_FSYNC_FAULT");
  if (fault == NULL || access(fault, F_OK) != 0) return 0;
  errno = EIO;
  return 1;
}

int fsync(int file) { return is_faulty() ? -1 : (int)syscall(SYS_fsync, file); }

int fdatasync(int file) { return is_faulty() ? -1 : (int)syscall(SYS_fdatasync, file); }
