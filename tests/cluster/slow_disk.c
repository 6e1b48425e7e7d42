// Preloaded into a pump: while the file that SLUICE_SLOW_WHILE names exists, each write and sync takes 100 ms longer.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static void wait_as_a_slow_disk_would(void) {
  const char* file = getenv("SLUICE_SLOW_WHILE");
  if (file && access(file, F_OK) == 0) usleep(100000);
}

#define SLOW(name, result, declared, passed)                          \
  result name declared {                                              \
    static result (*next) declared;                                   \
    if (!next) next = (result(*) declared)dlsym(RTLD_NEXT, #name);    \
    wait_as_a_slow_disk_would();                                      \
    return next passed;                                               \
  }

SLOW(pwritev2, ssize_t, (int fd, const struct iovec* v, int n, off_t at, int flags), (fd, v, n, at, flags))
SLOW(pwritev64v2, ssize_t, (int fd, const struct iovec* v, int n, off64_t at, int flags), (fd, v, n, at, flags))
SLOW(fsync, int, (int fd), (fd))
SLOW(fdatasync, int, (int fd), (fd))
