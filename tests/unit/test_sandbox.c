/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each case is one attempt inside a sandboxed child; it answers errno, 0 for success. */

static char state[64], given[80], own[80]; /* given: a training may read it; own: and write here */

static int result(long r)
{
    return r < 0 ? errno : 0;
}

static int run_program(void)
{
    char name[] = "true";
    char *argv[] = {name, NULL};
    return result(execve("/bin/true", argv, argv + 1));
}

static int trace(void)
{
    return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_passwords(void)
{
    return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int write_outside(void)
{
    return result(open("/tmp/timbred-outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int write_state(void)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", state);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fdatasync(fd) != 0)
        return errno;
    (void)close(fd);
    return result(unlink(path));
}

static int write_in(const char *folder)
{
    char path[128], to[128];
    (void)snprintf(path, sizeof path, "%s/checkpoint.new", folder);
    (void)snprintf(to, sizeof to, "%s/checkpoint", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0)
        return errno;
    (void)close(fd);
    return rename(path, to) == 0 ? result(unlink(to)) : errno;
}

static int write_own(void)
{
    return write_in(own);
}

static int write_given(void)
{
    return write_in(given);
}

static int read_given(void)
{
    return result(open(given, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int read_state(void)
{
    return result(open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int raw_socket(void)
{
    return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int listen_here(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0)
        return errno;
    return result(listen(fd, 1));
}

static int connect_out(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return result(connect(fd, (struct sockaddr *)&a, sizeof a));
}

static int executable_memory(void)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

static int new_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int signal_parent(void)
{
    return result(kill(getppid(), 0));
}

static int real_time(void)
{
    struct sched_param param = {.sched_priority = 10};
    return result(sched_setscheduler(0, SCHED_FIFO, &param));
}

static void *nothing(void *arg)
{
    return arg;
}

static int start_thread(void)
{
    pthread_t thread;
    int e = pthread_create(&thread, NULL, nothing, NULL);
    return e ? e : pthread_join(thread, NULL);
}

static int read_cpu(void)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[64];
    return file && fgets(line, sizeof line, file) ? 0 : ENOENT;
}

enum { WEB = 1, JOB = 2, TRAIN = 4 };

static enum tb_status enter(int role, const struct tb_config *config)
{
    struct tb_error err;
    const struct tb_sandbox_folders folders = {.readable = {given, NULL}, .own = own};
    if (role == TRAIN)
        return tb_sandbox_train(config, &folders, &err);
    return role == WEB ? tb_sandbox_web(config, &err) : tb_sandbox_job(config, &err);
}

static int in_child(int role, int (*attempt)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct tb_config config = {0};
        (void)snprintf(config.state_dir, sizeof config.state_dir, "%s", state);
        _exit(enter(role, &config) == TB_OK ? attempt() : 255);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const struct attempt {
    const char *name;
    int (*run)(void);
    int may; /* roles */
} attempts[] = {
    {"run a program", run_program, 0},
    {"trace", trace, 0},
    {"read /etc/passwd", read_passwords, 0},
    {"write outside the state folder", write_outside, 0},
    {"write into the state folder", write_state, WEB},
    {"read the state folder", read_state, WEB},
    {"write into a folder of its own", write_own, WEB | TRAIN},
    {"write into one that it reads", write_given, WEB},
    {"read that", read_given, WEB | TRAIN},
    {"a raw socket", raw_socket, 0},
    {"listen", listen_here, WEB},
    {"connect to somebody", connect_out, 0},
    {"executable memory", executable_memory, 0},
    {"a new namespace", new_namespace, 0},
    {"signal the parent", signal_parent, 0},
    {"real-time priority", real_time, 0},
    {"start a thread", start_thread, WEB | JOB | TRAIN},
    {"read /proc/cpuinfo", read_cpu, WEB | JOB | TRAIN},
};

static void each_role_may_do_only_its_work(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        const struct attempt *a = &attempts[i];
        for (int role = WEB; role <= TRAIN; role *= 2) {
            int e = in_child(role, a->run);
            bool may = (a->may & role) != 0;
            if ((e == 0) != may || (e != 0 && e != EPERM && e != EACCES))
                fail_msg("role %d: %s: %s", role, a->name, strerror(e));
        }
    }
}

/* Without a sandbox nearly everything above succeeds: otherwise this test would prove nothing. */
static void the_attempts_work_outside(void **unused)
{
    (void)unused;
    assert_int_equal(read_passwords() == 0, 1);
    assert_int_equal(executable_memory(), 0);
    assert_int_equal(connect_out(), ECONNREFUSED);
    assert_int_equal(signal_parent(), 0);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    puts("SKIPPED: the sanitizer itself needs what the sandbox forbids");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_attempts_work_outside),
        cmocka_unit_test(each_role_may_do_only_its_work),
    };
    (void)snprintf(state, sizeof state, "/tmp/timbred-sandbox-XXXXXX");
    if (!mkdtemp(state))
        return 1;
    (void)snprintf(given, sizeof given, "%s/given", state);
    (void)snprintf(own, sizeof own, "%s/own", state);
    if (mkdir(given, 0700) != 0 || mkdir(own, 0700) != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(given);
    (void)rmdir(own);
    (void)rmdir(state);
    return failed;
}
