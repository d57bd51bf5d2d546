/* A disk that is slow, full or failing, put between a process and its C library by LD_PRELOAD.
 *
 * CHAOS_DISKS names the control files, separated by colons; each is a struct disk that is mapped
 * here and in fsync.py, which writes the orders and reads the counters. A call on a file belongs to
 * the first disk whose `below` is a prefix of the file's path; without a prefix it is every file
 * that has a path. Fields are 64 bits wide and are read and written atomically, each on its own.
 *
 * Not seen: what is written through a mapping, by FILE* inside the C library, or by a system call
 * that does not pass the library.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DISKS_MAX 8
#define CHUNK_US 10000 /* a delay that is taken back ends within this */

/* Keep in step with fsync.py. */
struct disk {
    int64_t delay_us;
    int64_t passes;     /* syncs that still succeed before failures begin */
    int64_t failures;   /* syncs that fail then; -1: all of them */
    int64_t free_bytes; /* what may still be written; -1: no limit */
    int64_t fsyncs;
    int64_t fdatasyncs;
    int64_t failed_syncs;
    int64_t failed_writes;
    int64_t waiting; /* syncs that are being delayed now */
    char below[PATH_MAX];
};

static struct disk *disks[DISKS_MAX];
static int disk_count;

static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);

static int64_t get(const int64_t *field) { return __atomic_load_n(field, __ATOMIC_SEQ_CST); }
static void add(int64_t *field, int64_t n) { __atomic_add_fetch(field, n, __ATOMIC_SEQ_CST); }

/* Takes n from a field that holds at least that; 0 if it does not. Never below zero. */
static int take(int64_t *field, int64_t n) {
    int64_t held = get(field);
    while (held >= n)
        if (__atomic_compare_exchange_n(field, &held, held - n, 0, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return 1;
    return 0;
}

/* Resolved at first use: other libraries write before our constructor runs. */
#define RESOLVE(name)                               \
    do {                                            \
        if (!real_##name) {                         \
            *(void **)(&real_##name) = dlsym(RTLD_NEXT, #name); \
            if (!real_##name) abort();              \
        }                                           \
    } while (0)

__attribute__((constructor)) static void map_disks(void) {
    char names[DISKS_MAX * PATH_MAX], *rest = names, *name;
    const char *value = getenv("CHAOS_DISKS");
    if (!value) return;
    if (strlen(value) >= sizeof names) abort();
    strcpy(names, value);
    while ((name = strsep(&rest, ":")) && disk_count < DISKS_MAX) {
        int fd = open(name, O_RDWR | O_CLOEXEC);
        void *map = fd < 0 ? MAP_FAILED
                           : mmap(NULL, sizeof(struct disk), PROT_READ | PROT_WRITE, MAP_SHARED,
                                  fd, 0);
        if (map == MAP_FAILED) { /* a test that believes in its faults must not go on without */
            fprintf(stderr, "fsync_shim: cannot map %s: %s\n", name, strerror(errno));
            abort();
        }
        close(fd);
        disks[disk_count++] = map;
    }
}

/* The disk that a descriptor's file lies on; NULL for none, and for what has no path. */
static struct disk *disk_of(int fd) {
    char link[64], path[PATH_MAX];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0 || path[0] != '/') return NULL;
    path[length] = 0;
    for (int n = 0; n < disk_count; n++) {
        size_t prefix = strnlen(disks[n]->below, PATH_MAX);
        if (prefix == 0) return disks[n];
        if (strncmp(path, disks[n]->below, prefix) == 0 &&
            (path[prefix] == '/' || path[prefix] == 0))
            return disks[n];
    }
    return NULL;
}

static void wait_delay(struct disk *disk) {
    int64_t waited_us = 0, left_us;
    add(&disk->waiting, 1);
    while ((left_us = get(&disk->delay_us) - waited_us) > 0) {
        if (left_us > CHUNK_US) left_us = CHUNK_US;
        struct timespec chunk = {0, left_us * 1000};
        while (nanosleep(&chunk, &chunk) && errno == EINTR) {
        }
        waited_us += left_us;
    }
    add(&disk->waiting, -1);
}

static int must_fail(struct disk *disk) {
    int64_t failures = get(&disk->failures);
    if (failures == 0 || take(&disk->passes, 1)) return 0;
    return failures < 0 || take(&disk->failures, 1);
}

/* Counts, delays and decides; -1 with errno if this sync fails without reaching the disk. */
static int sync_on(struct disk *disk, int64_t *counter) {
    int saved = errno;
    if (get(&disk->delay_us) > 0) wait_delay(disk);
    add(counter, 1); /* after the delay: what is counted has waited */
    errno = saved;
    if (!must_fail(disk)) return 0;
    add(&disk->failed_syncs, 1);
    errno = EIO;
    return -1;
}

/* 0 if there is room for n bytes, which are then taken. */
static int room_for(int fd, size_t n) {
    int limited = 0;
    for (int i = 0; i < disk_count; i++) limited |= get(&disks[i]->free_bytes) >= 0;
    if (!limited || n == 0) return 0; /* the path is asked for only while a disk is limited */
    struct disk *disk = disk_of(fd);
    if (!disk || get(&disk->free_bytes) < 0 || take(&disk->free_bytes, (int64_t)n)) return 0;
    add(&disk->failed_writes, 1);
    errno = ENOSPC;
    return -1;
}

int fsync(int fd) {
    RESOLVE(fsync);
    struct disk *disk = disk_of(fd);
    return disk && sync_on(disk, &disk->fsyncs) ? -1 : real_fsync(fd);
}

int fdatasync(int fd) {
    RESOLVE(fdatasync);
    struct disk *disk = disk_of(fd);
    return disk && sync_on(disk, &disk->fdatasyncs) ? -1 : real_fdatasync(fd);
}

ssize_t write(int fd, const void *data, size_t n) {
    RESOLVE(write);
    return room_for(fd, n) ? -1 : real_write(fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t n = 0;
    RESOLVE(writev);
    for (int i = 0; i < count; i++) n += parts[i].iov_len;
    return room_for(fd, n) ? -1 : real_writev(fd, parts, count);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    RESOLVE(pwrite);
    return room_for(fd, n) ? -1 : real_pwrite(fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    RESOLVE(pwrite64);
    return room_for(fd, n) ? -1 : real_pwrite64(fd, data, n, at);
}
