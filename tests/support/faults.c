/* Makes one chosen system call on the files of /proc and /sys fail, for tests: preloaded into a Python, and armed from within it.
 *
 * faults_arm(n, number, for_good): the n-th counted call fails with this errno; for_good: so does each later call of the same kind on the
 * same path. Counted are open, read, pread, fstat, readlink and the listing of directories, with the path that they are about.
 * faults_off() ends it. faults_count() is how many calls were counted since, faults_hit() which one failed ("" none).
 * One thread at a time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define MOST_FILES 1024
#define MOST_PATH 512

static int armed, number_, for_good_;
static long counted, failing;
static char hit[MOST_PATH + 16];
static char paths[MOST_FILES][MOST_PATH]; /* of open files, if they lie below /proc or /sys; "/" for the root itself */

#define REAL(type, name, ...)                                       \
  static type (*real)(__VA_ARGS__);                                 \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

void faults_arm(long n, int number, int for_good) {
  counted = 0, failing = n, number_ = number, for_good_ = for_good, hit[0] = 0, armed = 1;
}
void faults_off(void) { armed = 0; }
long faults_count(void) { return counted; }
const char *faults_hit(void) { return hit; }

static int is_kernels(const char *path) { return !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5) || !strcmp(path, "/proc") || !strcmp(path, "/sys"); }

static const char *path_of(int file) { return file >= 0 && file < MOST_FILES ? paths[file] : ""; }

static void join(char *out, int folder, const char *path) {
  const char *above = path_of(folder);
  if (path[0] == '/') snprintf(out, MOST_PATH, "%s", path);
  else if (!above[0]) out[0] = 0;
  else if (!strcmp(path, ".")) snprintf(out, MOST_PATH, "%s", above);
  else snprintf(out, MOST_PATH, "%.400s%s%.100s", above, above[1] ? "/" : "", path);
}

static int fails(const char *kind, const char *path) {
  char call[MOST_PATH + 16];
  if (!armed || !is_kernels(path)) return 0;
  snprintf(call, sizeof call, "%s %s", kind, path);
  if (++counted == failing) strcpy(hit, call);
  else if (!for_good_ || strcmp(hit, call)) return 0;
  errno = number_;
  return 1;
}

static int opened(int file, const char *path) {
  if (file >= 0 && file < MOST_FILES) snprintf(paths[file], MOST_PATH, "%s", is_kernels(path) || !strcmp(path, "/") ? path : "");
  return file;
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
  char whole[MOST_PATH];
  REAL(int, "openat64", int, const char *, int, ...);
  join(whole, folder, path);
  return fails("open", whole) ? -1 : opened(real(folder, path, flags, mode), whole);
}

#define MODE                 \
  va_list rest;              \
  va_start(rest, flags);     \
  mode_t mode = va_arg(rest, mode_t); \
  va_end(rest)

int open(const char *path, int flags, ...) { MODE; return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE; return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE; return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE; return open_at(folder, path, flags, mode); }

ssize_t read(int file, void *buffer, size_t size) {
  REAL(ssize_t, "read", int, void *, size_t);
  return fails("read", path_of(file)) ? -1 : real(file, buffer, size);
}

ssize_t pread64(int file, void *buffer, size_t size, off64_t offset) {
  REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
  return fails("pread", path_of(file)) ? -1 : real(file, buffer, size, offset);
}
ssize_t pread(int file, void *buffer, size_t size, off_t offset) { return pread64(file, buffer, size, offset); }

int fstat64(int file, struct stat64 *status) {
  REAL(int, "fstat64", int, struct stat64 *);
  return fails("fstat", path_of(file)) ? -1 : real(file, status);
}
int fstat(int file, struct stat *status) { return fstat64(file, (struct stat64 *)status); }

ssize_t readlinkat(int folder, const char *path, char *buffer, size_t size) {
  char whole[MOST_PATH];
  REAL(ssize_t, "readlinkat", int, const char *, char *, size_t);
  join(whole, folder, path);
  return fails("readlink", whole) ? -1 : real(folder, path, buffer, size);
}
ssize_t readlink(const char *path, char *buffer, size_t size) { return readlinkat(AT_FDCWD, path, buffer, size); }

DIR *fdopendir(int file) {
  REAL(DIR *, "fdopendir", int);
  return fails("list", path_of(file)) ? NULL : real(file);
}
DIR *opendir(const char *path) {
  REAL(DIR *, "opendir", const char *);
  return fails("list", path) ? NULL : real(path);
}
struct dirent64 *readdir64(DIR *folder) {
  REAL(struct dirent64 *, "readdir64", DIR *);
  return fails("readdir", path_of(dirfd(folder))) ? NULL : real(folder);
}
