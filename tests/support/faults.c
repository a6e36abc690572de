/* Makes one chosen system call fail, for tests: preloaded into a Python, and armed from within it.
 *
 * faults_arm(kind, n, number, flags): the n-th call of this kind ("" any) fails with this errno. Flags: FOR_GOOD: so does each later call of
 * the same kind on the same path. KERNELS: counted are calls on files of /proc and /sys alone. LIBRARIES: also those on files that Python
 * loads, which lie below the prefixes that faults_library() was told. LOG: each counted call is written down. NAMED: the file system
 * knows no O_TMPFILE. The number HALF is no errno: the call succeeds with half of the bytes.
 * faults_off() ends it. faults_hit() is which call failed ("" none), faults_log() what was written down: a line each, kind and path. Both lie
 * in memory that is shared with who was forked. faults_name() names an open file that was not opened here.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_FILES 1024
#define MOST_PATH 512
#define MOST_LOG (4 << 20)
#define MOST_LIBRARIES 16
#define HALF -1000

enum { FOR_GOOD = 1, KERNELS = 2, LIBRARIES = 4, LOG = 8, NAMED = 16 };

static struct shared {
  char hit[MOST_PATH + 32];
  char log[MOST_LOG];
} *shared;

static int armed, number_, flags_, libraries;
static long counted, failing, logged;
static char kind_[32], library[MOST_LIBRARIES][MOST_PATH];
static char paths[MOST_FILES][MOST_PATH]; /* of open files; "" of those that are not known */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

#define REAL(type, name, ...)         \
  static type (*real)(__VA_ARGS__);   \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void faults_arm(const char *kind, long n, int number, int flags) {
  snprintf(kind_, sizeof kind_, "%s", kind);
  counted = 0, failing = n, number_ = number, flags_ = flags, logged = 0, shared->hit[0] = shared->log[0] = 0, armed = 1;
}
void faults_off(void) { armed = 0; }
const char *faults_hit(void) { return shared->hit; }
const char *faults_log(void) { return shared->log; }
void faults_library(const char *prefix) {
  if (libraries < MOST_LIBRARIES) snprintf(library[libraries++], MOST_PATH, "%s", prefix);
}
void faults_name(int file, const char *name) { snprintf(paths[file], MOST_PATH, "%s", name); }

static int is_kernels(const char *path) { return !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5) || !strcmp(path, "/proc") || !strcmp(path, "/sys"); }

static int is_loaded(const char *path) {
  for (int i = 0; i < libraries; i++)
    if (!strncmp(path, library[i], strlen(library[i]))) return 1;
  return 0;
}

static const char *path_of(int file) { return file >= 0 && file < MOST_FILES ? paths[file] : ""; }

static int is_file(const char *path) { return strcmp(path, "socket") && strcmp(path, "connection") && strcmp(path, "pair") && strcmp(path, "pipe") && strcmp(path, "pidfd"); }

static void join(char *out, int folder, const char *path) {
  const char *above = path_of(folder);
  if (path[0] == '/' || folder == AT_FDCWD || !above[0]) snprintf(out, MOST_PATH, "%s", path);
  else if (!path[0] || !strcmp(path, ".")) snprintf(out, MOST_PATH, "%s", above);
  else snprintf(out, MOST_PATH, "%.400s%s%.100s", above, above[1] ? "/" : "", path);
}

static int moves(const char *kind) { return !strcmp(kind, "read") || !strcmp(kind, "write"); }

static int fails(const char *kind, const char *path) {
  char call[MOST_PATH + 32];
  int so = 0;
  if (!armed || !path[0] || (kind_[0] && strcmp(kind, kind_)) || ((flags_ & KERNELS) && !is_kernels(path)) || (!(flags_ & LIBRARIES) && is_loaded(path)))
    return 0;
  snprintf(call, sizeof call, "%s %s", kind, path);
  pthread_mutex_lock(&lock);
  if (flags_ & LOG) {
    long size = strlen(call) + 1;
    if (logged + size < MOST_LOG) strcpy(shared->log + logged, call), strcpy(shared->log + logged + size - 1, "\n"), logged += size;
  }
  /* Which call is the n-th, threads settle: one on a pipe of its own, both ends of which are open, can be interrupted, and no more */
  if (++counted == failing && (strcmp(path, "pipe") || number_ == EINTR || !moves(kind))) strcpy(shared->hit, call), so = 1;
  else so = (flags_ & FOR_GOOD) && failing && !strcmp(shared->hit, call);
  pthread_mutex_unlock(&lock);
  if (so && number_ != HALF) errno = number_;
  return so;
}

static int opened(int file, const char *path) {
  if (file >= 0 && file < MOST_FILES) snprintf(paths[file], MOST_PATH, "%s", path);
  return file;
}

static int open_at(int folder, const char *path, int flags, mode_t mode) {
  char whole[MOST_PATH];
  REAL(int, "openat64", int, const char *, int, ...);
  join(whole, folder, path);
  int is_nameless = (flags & O_TMPFILE) == O_TMPFILE;
  if (armed && is_nameless && (flags_ & NAMED)) return errno = EOPNOTSUPP, -1;
  return fails(is_nameless || (flags & O_CREAT) ? "create" : "open", whole) ? -1 : opened(real(folder, path, flags, mode), whole);
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

int close(int file) {
  REAL(int, "close", int);
  /* Of sockets, pipes and the kernel's own files it never fails; what Python loads, it closes by itself */
  int so = is_file(path_of(file)) && !(flags_ & KERNELS) && !is_loaded(path_of(file)) && fails("close", path_of(file));
  if (file >= 0 && file < MOST_FILES) paths[file][0] = 0;
  int done = real(file); /* Linux closes it, whatever it says */
  return so ? (errno = number_, -1) : done;
}

/* What ends a connection ends it for the other side as well */
static void broken(int file, const char *kind) {
  if ((!strcmp(kind, "send") || !strcmp(kind, "recv")) && (number_ == EPIPE || number_ == ECONNRESET || number_ == ETIMEDOUT)) {
    REAL(int, "shutdown", int, int);
    real(file, SHUT_RDWR);
  }
}

/* Calls on an open file whose first words are always the same */
#define ON_FILE(type, name, kind, words, ...)      \
  {                                                \
    REAL(type, name, __VA_ARGS__);                 \
    if (fails(kind, path_of(file))) return -1;     \
    return real words;                             \
  }
/* Those that move bytes, and may move half of them */
#define MOVE(name, kind, words, ...)                         \
  {                                                          \
    REAL(ssize_t, name, __VA_ARGS__);                        \
    if (fails(kind, path_of(file))) {                        \
      if (number_ != HALF) {                                 \
        broken(file, kind);                                  \
        return errno = number_, -1;                          \
      }                                                      \
      size = size > 1 ? size / 2 : size;                     \
    }                                                        \
    return real words;                                       \
  }

ssize_t read(int file, void *buffer, size_t size) MOVE("read", "read", (file, buffer, size), int, void *, size_t)
ssize_t pread64(int file, void *buffer, size_t size, off64_t offset) MOVE("pread64", "pread", (file, buffer, size, offset), int, void *, size_t, off64_t)
ssize_t pread(int file, void *buffer, size_t size, off_t offset) { return pread64(file, buffer, size, offset); }
ssize_t write(int file, const void *buffer, size_t size) MOVE("write", "write", (file, buffer, size), int, const void *, size_t)
ssize_t send(int file, const void *buffer, size_t size, int flags) MOVE("send", "send", (file, buffer, size, flags), int, const void *, size_t, int)
ssize_t recv(int file, void *buffer, size_t size, int flags) MOVE("recv", "recv", (file, buffer, size, flags), int, void *, size_t, int)
ssize_t sendfile64(int to, int file, off64_t *offset, size_t size) MOVE("sendfile64", "sendfile", (to, file, offset, size), int, int, off64_t *, size_t)
int fstat64(int file, struct stat64 *status) ON_FILE(int, "fstat64", "fstat", (file, status), int, struct stat64 *)
int fstat(int file, struct stat *status) { return fstat64(file, (struct stat64 *)status); }
off64_t lseek64(int file, off64_t offset, int whence) ON_FILE(off64_t, "lseek64", "seek", (file, offset, whence), int, off64_t, int)
int fchmod(int file, mode_t mode) ON_FILE(int, "fchmod", "chmod", (file, mode), int, mode_t)
int fchown(int file, uid_t user, gid_t group) ON_FILE(int, "fchown", "chown", (file, user, group), int, uid_t, gid_t)
int fsync(int file) ON_FILE(int, "fsync", "fsync", (file), int)
int fdatasync(int file) ON_FILE(int, "fdatasync", "fsync", (file), int)
int ftruncate64(int file, off64_t size) ON_FILE(int, "ftruncate64", "truncate", (file, size), int, off64_t)
int flock(int file, int what) ON_FILE(int, "flock", "flock", (file, what), int, int)
int bind(int file, const struct sockaddr *place, socklen_t size) ON_FILE(int, "bind", "bind", (file, place, size), int, const struct sockaddr *, socklen_t)
int listen(int file, int backlog) ON_FILE(int, "listen", "listen", (file, backlog), int, int)
int connect(int file, const struct sockaddr *place, socklen_t size) {
  REAL(int, "connect", int, const struct sockaddr *, socklen_t);
  if (!fails("connect", path_of(file))) return real(file, place, size);
  if (number_ == EINTR) real(file, place, size); /* it goes on by itself */
  return errno = number_, -1;
}
int shutdown(int file, int how) ON_FILE(int, "shutdown", "shutdown", (file, how), int, int)
int getsockname(int file, struct sockaddr *place, socklen_t *size) ON_FILE(int, "getsockname", "sockname", (file, place, size), int, struct sockaddr *, socklen_t *)
int setsockopt(int file, int level, int name, const void *value, socklen_t size) ON_FILE(int, "setsockopt", "sockopt", (file, level, name, value, size), int, int, int, const void *, socklen_t)
int getsockopt(int file, int level, int name, void *value, socklen_t *size) ON_FILE(int, "getsockopt", "sockopt", (file, level, name, value, size), int, int, int, void *, socklen_t *)

int fcntl64(int file, int what, ...) {
  va_list rest;
  va_start(rest, what);
  void *value = va_arg(rest, void *);
  va_end(rest);
  ON_FILE(int, "fcntl64", "fcntl", (file, what, value), int, int, ...)
}
int ioctl(int file, unsigned long what, ...) {
  va_list rest;
  va_start(rest, what);
  void *value = va_arg(rest, void *);
  va_end(rest);
  ON_FILE(int, "ioctl", "ioctl", (file, what, value), int, unsigned long, ...)
}

int dup(int file) {
  REAL(int, "dup", int);
  return fails("dup", path_of(file)) ? -1 : opened(real(file), path_of(file));
}
int dup2(int file, int other) {
  REAL(int, "dup2", int, int);
  return fails("dup", path_of(file)) ? -1 : opened(real(file, other), path_of(file));
}
int dup3(int file, int other, int flags) {
  REAL(int, "dup3", int, int, int);
  return fails("dup", path_of(file)) ? -1 : opened(real(file, other, flags), path_of(file));
}
int pipe2(int files[2], int flags) {
  REAL(int, "pipe2", int *, int);
  if (fails("pipe", "pipe")) return -1;
  int done = real(files, flags);
  if (!done) opened(files[0], "pipe"), opened(files[1], "pipe");
  return done;
}
int socket(int family, int type, int protocol) {
  REAL(int, "socket", int, int, int);
  return fails("socket", "socket") ? -1 : opened(real(family, type, protocol), "socket");
}
int accept4(int file, struct sockaddr *place, socklen_t *size, int flags) {
  REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);
  return fails("accept", path_of(file)) ? -1 : opened(real(file, place, size, flags), "connection");
}
int socketpair(int family, int type, int protocol, int files[2]) {
  REAL(int, "socketpair", int, int, int, int *);
  if (fails("socket", "pair")) return -1;
  int done = real(family, type, protocol, files);
  if (!done) opened(files[0], "pair"), opened(files[1], "pair");
  return done;
}

/* Calls on a path below a folder */
#define ON_PATH(type, name, kind, folder, path, bad, words, ...)  \
  {                                                               \
    char whole[MOST_PATH];                                        \
    REAL(type, name, __VA_ARGS__);                                \
    join(whole, folder, path);                                    \
    if (fails(kind, whole)) return bad;                           \
    return real words;                                            \
  }
int fstatat64(int folder, const char *path, struct stat64 *status, int flags) ON_PATH(int, "fstatat64", "stat", folder, path, -1, (folder, path, status, flags), int, const char *, struct stat64 *, int)
int stat64(const char *path, struct stat64 *status) ON_PATH(int, "stat64", "stat", AT_FDCWD, path, -1, (path, status), const char *, struct stat64 *)
int lstat64(const char *path, struct stat64 *status) ON_PATH(int, "lstat64", "stat", AT_FDCWD, path, -1, (path, status), const char *, struct stat64 *)
int access(const char *path, int how) ON_PATH(int, "access", "access", AT_FDCWD, path, -1, (path, how), const char *, int)
int faccessat(int folder, const char *path, int how, int flags) ON_PATH(int, "faccessat", "access", folder, path, -1, (folder, path, how, flags), int, const char *, int, int)
ssize_t readlinkat(int folder, const char *path, char *buffer, size_t size) ON_PATH(ssize_t, "readlinkat", "readlink", folder, path, -1, (folder, path, buffer, size), int, const char *, char *, size_t)
ssize_t readlink(const char *path, char *buffer, size_t size) { return readlinkat(AT_FDCWD, path, buffer, size); }
DIR *fdopendir(int file) ON_PATH(DIR *, "fdopendir", "list", file, ".", NULL, (file), int)
DIR *opendir(const char *path) ON_PATH(DIR *, "opendir", "list", AT_FDCWD, path, NULL, (path), const char *)
struct dirent64 *readdir64(DIR *listing) ON_PATH(struct dirent64 *, "readdir64", "readdir", dirfd(listing), ".", NULL, (listing), DIR *)
int rename(const char *old, const char *path) ON_PATH(int, "rename", "rename", AT_FDCWD, path, -1, (old, path), const char *, const char *)
int renameat(int from, const char *old, int folder, const char *path) ON_PATH(int, "renameat", "rename", folder, path, -1, (from, old, folder, path), int, const char *, int, const char *)
int link(const char *old, const char *path) ON_PATH(int, "link", "link", AT_FDCWD, path, -1, (old, path), const char *, const char *)
int linkat(int from, const char *old, int folder, const char *path, int flags) ON_PATH(int, "linkat", "link", folder, path, -1, (from, old, folder, path, flags), int, const char *, int, const char *, int)
int symlink(const char *target, const char *path) ON_PATH(int, "symlink", "symlink", AT_FDCWD, path, -1, (target, path), const char *, const char *)
int symlinkat(const char *target, int folder, const char *path) ON_PATH(int, "symlinkat", "symlink", folder, path, -1, (target, folder, path), const char *, int, const char *)
int mkdir(const char *path, mode_t mode) ON_PATH(int, "mkdir", "mkdir", AT_FDCWD, path, -1, (path, mode), const char *, mode_t)
int mkdirat(int folder, const char *path, mode_t mode) ON_PATH(int, "mkdirat", "mkdir", folder, path, -1, (folder, path, mode), int, const char *, mode_t)
int unlink(const char *path) ON_PATH(int, "unlink", "unlink", AT_FDCWD, path, -1, (path), const char *)
int unlinkat(int folder, const char *path, int flags) ON_PATH(int, "unlinkat", "unlink", folder, path, -1, (folder, path, flags), int, const char *, int)
int rmdir(const char *path) ON_PATH(int, "rmdir", "unlink", AT_FDCWD, path, -1, (path), const char *)
int chmod(const char *path, mode_t mode) ON_PATH(int, "chmod", "chmod", AT_FDCWD, path, -1, (path, mode), const char *, mode_t)
int execve(const char *path, char *const words[], char *const environment[]) ON_PATH(int, "execve", "exec", AT_FDCWD, path, -1, (path, words, environment), const char *, char *const *, char *const *)

/* Calls on nothing that has a name */
#define PLAIN(type, name, kind, words, ...)    \
  {                                            \
    REAL(type, name, __VA_ARGS__);             \
    if (fails(kind, kind)) return -1;          \
    return real words;                         \
  }
int poll(struct pollfd *files, nfds_t count, int timeout) PLAIN(int, "poll", "poll", (files, count, timeout), struct pollfd *, nfds_t, int)
int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout) PLAIN(int, "select", "poll", (count, in, out, except, timeout), int, fd_set *, fd_set *, fd_set *, struct timeval *)
int epoll_wait(int file, struct epoll_event *events, int most, int timeout) PLAIN(int, "epoll_wait", "poll", (file, events, most, timeout), int, struct epoll_event *, int, int)
int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set) PLAIN(int, "sched_getaffinity", "affinity", (pid, size, set), pid_t, size_t, cpu_set_t *)
pid_t fork(void) PLAIN(pid_t, "fork", "fork", (), void)
pid_t waitpid(pid_t pid, int *status, int flags) PLAIN(pid_t, "waitpid", "wait", (pid, status, flags), pid_t, int *, int)
long syscall(long call, ...) {
  long words[6];
  va_list rest;
  va_start(rest, call);
  for (int i = 0; i < 6; i++) words[i] = va_arg(rest, long);
  va_end(rest);
  REAL(long, "syscall", long, ...);
  if (call == SYS_pidfd_open && fails("pidfd", "pidfd")) return -1;
  long done = real(call, words[0], words[1], words[2], words[3], words[4], words[5]);
  if (call == SYS_pidfd_open) opened(done, "pidfd");
  return done;
}
int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *word) {
  REAL(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  return fails("thread", "thread") ? number_ : real(thread, how, run, word);
}
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  REAL(int, "getaddrinfo", const char *, const char *, const struct addrinfo *, struct addrinfo **);
  return fails("resolve", "resolve") ? number_ : real(name, service, hints, found);
}
