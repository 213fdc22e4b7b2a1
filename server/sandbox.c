/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/sandbox.h"

#include <seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's header knows landlock as of 5.13; these came later (uapi/linux/landlock.h of 6.12).
 */
enum { FS_V1 = (1 << 13) - 1, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14, FS_IOCTL_DEV = 1 << 15 };
enum { NET_CONNECT_TCP = 2, SCOPE_ABSTRACT_UNIX_SOCKET = 1, SCOPE_SIGNAL = 2 };
struct ruleset {
    uint64_t fs, net, scoped;
};
enum {
    READ_FILE = LANDLOCK_ACCESS_FS_READ_FILE,
    READ_TREE = READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    USE_FILE = READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE,
    OWN_TREE = USE_FILE | READ_TREE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
               LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | FS_REFER
};

/* What the machine tells about itself, for status, benchmarks and libraries. */
static const char *const readable[] = {
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/version",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/proc/asound",
    "/sys/devices",
    "/sys/class",
    "/sys/kernel",
    "/usr/lib",
    "/lib",
    "/usr/share/timbred",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/os-release",
    "/etc/ld.so.cache",
};

static enum tb_status allow_path(int ruleset, uint64_t handled, const char *path, uint64_t access,
                                 struct tb_error *err)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent_fd < 0)
        return TB_OK; /* not there: nothing to allow */
    struct stat st;
    bool folder = fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode);
    rule.allowed_access = access & handled & (folder ? ~UINT64_C(0) : USE_FILE | FS_IOCTL_DEV);
    long e = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int why = errno;
    close(rule.parent_fd);
    return e == 0 ? TB_OK : tb_fail(err, TB_EIO, "landlock: %.60s: %s", path, strerror(why));
}

/* Whom the sandbox is for. */
struct tenant {
    const struct tb_config *config;           /* or NULL */
    bool web;                                 /* owns the state folder */
    const struct tb_sandbox_folders *folders; /* of a training, or NULL */
};

static enum tb_status allow_folders(int ruleset, uint64_t handled,
                                    const struct tb_sandbox_folders *folders, struct tb_error *err)
{
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < 2 && status == TB_OK; i++)
        if (folders->readable[i])
            status = allow_path(ruleset, handled, folders->readable[i], READ_TREE, err);
    if (status == TB_OK && folders->own)
        status = allow_path(ruleset, handled, folders->own, OWN_TREE, err);
    return status;
}

static enum tb_status allow_paths(int ruleset, uint64_t handled, const struct tenant *tenant,
                                  struct tb_error *err)
{
    const struct tb_config *config = tenant->config;
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < sizeof readable / sizeof readable[0] && status == TB_OK; i++)
        status = allow_path(ruleset, handled, readable[i], READ_TREE, err);
    if (status == TB_OK)
        status = allow_path(ruleset, handled, "/dev/null", USE_FILE, err);
    if (status == TB_OK)
        status = allow_path(ruleset, handled, "/dev/urandom", READ_FILE, err);
    if (status == TB_OK && tenant->folders)
        status = allow_folders(ruleset, handled, tenant->folders, err);
    if (status == TB_OK && tenant->web && config) {
        status = allow_path(ruleset, handled, config->state_dir, OWN_TREE, err);
        if (status == TB_OK && config->zoo[0])
            status = allow_path(ruleset, handled, config->zoo, READ_TREE, err);
        if (status == TB_OK && config->path[0])
            status = allow_path(ruleset, handled, config->path, READ_FILE, err);
    }
    return status;
}

static enum tb_status lock_files(const struct tenant *tenant, struct tb_error *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return TB_OK; /* an older kernel, or landlock is switched off */
    struct ruleset attr = {.fs = FS_V1};
    if (abi >= 2)
        attr.fs |= FS_REFER;
    if (abi >= 3)
        attr.fs |= FS_TRUNCATE;
    if (abi >= 5)
        attr.fs |= FS_IOCTL_DEV;
    if (abi >= 4)
        attr.net = NET_CONNECT_TCP;
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
    size_t size = abi >= 6   ? sizeof attr
                  : abi >= 4 ? offsetof(struct ruleset, scoped)
                             : offsetof(struct ruleset, net);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return tb_fail(err, TB_EIO, "landlock: %s", strerror(errno));
    enum tb_status status = allow_paths(ruleset, attr.fs, tenant, err);
    if (status == TB_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        status = tb_fail(err, TB_EIO, "landlock: %s", strerror(errno));
    close(ruleset);
    return status;
}

/* Started by root: what is stored stays with the owner of the state folder, so does the role. */
static enum tb_status change_identity(const struct tb_config *config, struct tb_error *err)
{
    struct stat st;
    if (geteuid() != 0 || !config || stat(config->state_dir, &st) != 0 || st.st_uid == 0)
        return TB_OK;
    if (setgroups(0, NULL) != 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
        return tb_fail(err, TB_EDENIED, "cannot become user %u: %s", st.st_uid, strerror(errno));
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a change of identity clears it */
    return TB_OK;
}

static enum tb_status drop_capabilities(struct tb_error *err)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* refused where there is nothing to drop */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &head, none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return tb_fail(err, TB_EDENIED, "capabilities: %s", strerror(errno));
    return TB_OK;
}

static const char *const calls_of_all[] = {
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "lseek",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "fstat",
    "newfstatat",
    "stat",
    "lstat",
    "statx",
    "statfs",
    "fstatfs",
    "open",
    "openat",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "getcwd",
    "munmap",
    "mremap",
    "madvise",
    "mincore",
    "brk",
    "mlock",
    "mlock2",
    "munlock",
    "futex",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "membarrier",
    "exit",
    "exit_group",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "rt_sigpending",
    "rt_sigsuspend",
    "sigaltstack",
    "tgkill",
    "getpid",
    "gettid",
    "getppid",
    "getpgrp",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "uname",
    "sysinfo",
    "getrlimit",
    "getrusage",
    "times",
    "getcpu",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_rr_get_interval",
    "getpriority",
    "setpriority",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    "pipe",
    "pipe2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "signalfd4",
    "getrandom",
    "memfd_create",
    "ftruncate",
    "fallocate",
    "arch_prctl",
    "restart_syscall",
    "prctl",
    "sendmsg",
    "recvmsg",
    "sendto",
    "recvfrom",
    "shutdown",
    "getsockopt",
    "fadvise64",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "umask",
};

static const char *const calls_of_web[] = {
    "bind",        "listen",     "accept",    "accept4",   "socketpair",      "getsockname",
    "getpeername", "setsockopt", "sendmmsg",  "recvmmsg",  "sendfile",        "copy_file_range",
    "unlink",      "unlinkat",   "rename",    "renameat",  "renameat2",       "mkdir",
    "mkdirat",     "rmdir",      "fsync",     "fdatasync", "sync_file_range", "flock",
    "chmod",       "fchmod",     "fchmodat",  "fchown",    "utimensat",       "truncate",
    "link",        "linkat",     "prlimit64",
};

static const char *const calls_of_job[] = {
    "sched_setscheduler", "sched_setparam", "sched_setattr", "mlockall", "munlockall", "prlimit64",
};

/* Checkpoints and data sets are written beside, synced and renamed. */
static const char *const calls_of_training[] = {
    "unlink",          "unlinkat", "rename", "renameat", "renameat2",
    "mkdir",           "mkdirat",  "rmdir",  "fsync",    "fdatasync",
    "sync_file_range", "flock",    "chmod",  "fchmod",   "truncate",
};

static int allow_names(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int call = seccomp_syscall_resolve_name(names[i]);
        if (call < 0)
            continue; /* not on this processor */
        int e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);
        if (e != 0)
            return e;
    }
    return 0;
}

/* Calls that are only good with some arguments: no executable memory, no namespaces, few kinds of
 * socket, few requests to devices. clone3 hides its flags behind a pointer: glibc takes clone
 * instead when it is told that there is no clone3. */
static int allow_some(scmp_filter_ctx ctx, bool web)
{
    const uint64_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                            CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const unsigned requests[] = {TCGETS, TIOCGWINSZ, FIONBIO, FIONREAD, SIOCOUTQ};
    int e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    e = e ? e
          : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    e = e ? e
          : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
    e = e ? e : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0] && e == 0; i++)
        e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1_32(SCMP_CMP_EQ, requests[i], 0));
    for (size_t i = 0; web && i < sizeof families / sizeof families[0] && e == 0; i++)
        e = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                             SCMP_A0_32(SCMP_CMP_EQ, (unsigned)families[i], 0));
    return e;
}

static enum tb_status lock_calls(const struct tenant *tenant, struct tb_error *err)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)tenant, (void)err; /* their run-time needs calls that the program itself never makes */
    return TB_OK;
#else
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!ctx)
        return tb_fail(err, TB_ENOMEM, "seccomp: no memory");
    int e = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    e = e ? e : allow_names(ctx, calls_of_all, sizeof calls_of_all / sizeof calls_of_all[0]);
    if (e == 0 && tenant->folders)
        e = allow_names(ctx, calls_of_training,
                        sizeof calls_of_training / sizeof calls_of_training[0]);
    if (e == 0 && tenant->web)
        e = allow_names(ctx, calls_of_web, sizeof calls_of_web / sizeof calls_of_web[0]);
    else if (e == 0)
        e = allow_names(ctx, calls_of_job, sizeof calls_of_job / sizeof calls_of_job[0]);
    e = e ? e : allow_some(ctx, tenant->web);
    e = e ? e : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
    e = e ? e : seccomp_load(ctx);
    seccomp_release(ctx);
    return e == 0 ? TB_OK : tb_fail(err, TB_EIO, "seccomp: %s", strerror(-e));
#endif
}

static enum tb_status enter(const struct tenant *tenant, struct tb_error *err)
{
    enum tb_status status = TB_OK;
    if (tenant->web || tenant->folders)
        status = change_identity(tenant->config, err);
    if (status == TB_OK)
        status = drop_capabilities(err);
    if (status == TB_OK)
        status = lock_files(tenant, err);
    return status == TB_OK ? lock_calls(tenant, err) : status;
}

enum tb_status tb_sandbox_web(const struct tb_config *config, struct tb_error *err)
{
    return enter(&(struct tenant){.config = config, .web = true}, err);
}

enum tb_status tb_sandbox_job(const struct tb_config *config, struct tb_error *err)
{
    return enter(&(struct tenant){.config = config}, err);
}

enum tb_status tb_sandbox_train(const struct tb_config *config,
                                const struct tb_sandbox_folders *folders, struct tb_error *err)
{
    return enter(&(struct tenant){.config = config, .folders = folders}, err);
}
