/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/web/web.h"

#include "server/api/publish.h"
#include "server/api/ws.h"
#include "server/commands.h"
#include "server/formats/factory.h"
#include "server/formats/model_files.h"
#include "server/link_file.h"
#include "server/roles.h"
#include "server/sandbox.h"
#include "server/state/control.h"
#include "server/state/jobs.h"
#include "server/state/link_client.h"
#include "server/state/models.h"
#include "server/state/store_thread.h"
#include "server/train/sets.h"
#include "server/train/trainings.h"
#include "server/web/accept.h"
#include "server/web/auth.h"
#include "server/web/banner.h"
#include "server/web/cache.h"
#include "server/web/http.h"
#include "server/web/pool.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { WANTED_FILES = 2048, EXIT_UNAVAILABLE = 69 };
enum { STORE_PATIENCE_MS = 10000, STORE_AGAIN_MS = 20 };

static int stop_fd = -1;

int64_t tb_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The link's thread: the audio role is gone, nothing is left to serve. */
static void stop_soon(void)
{
    (void)tgkill(getpid(), getpid(), SIGTERM); /* to the main thread; the sandbox forbids kill */
}

static bool take_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        signal(SIGHUP, SIG_IGN) == SIG_ERR)
        return false;
    stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return stop_fd >= 0;
}

/* libwebsockets burns a whole core when it runs out of descriptors. */
static void raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= WANTED_FILES)
        return;
    limit.rlim_cur = limit.rlim_max < WANTED_FILES ? limit.rlim_max : WANTED_FILES;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool is_every(const char *listen)
{
    return strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0;
}

static bool is_loopback(const char *listen)
{
    return !strncmp(listen, "127.", 4) || !strcmp(listen, "::1") || !strcmp(listen, "localhost");
}

static int complain(const struct tb_error *err, int status)
{
    (void)fprintf(stderr, "timbred: %s\n", err->text);
    return status;
}

/* The store is another's for a moment: of the command line, or of a web role that is about to end
 * because its service was killed. */
static struct tb_store *open_store(struct tb_web *web, struct tb_error *err)
{
    _Atomic uint32_t *checked = &web->shm->current.checked;
    enum tb_store_mode mode = atomic_load(checked) ? TB_STORE_RESUME : TB_STORE_WRITE;
    const int64_t until = tb_now_ns() + STORE_PATIENCE_MS * INT64_C(1000000);
    for (;;) {
        struct tb_store *store = tb_store_open(web->config.state_dir, mode, &web->report, err);
        if (store)
            atomic_store(checked, 1);
        struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
        if (store || err->status != TB_ECONFLICT || tb_now_ns() >= until ||
            poll(&stop, 1, STORE_AGAIN_MS) != 0)
            return store;
    }
}

/* What needs a thread or a file, in the order in which it is needed. */
static enum tb_status open_parts(struct tb_web *web, struct tb_store **store, struct tb_error *err)
{
    *store = open_store(web, err);
    if (!*store)
        return err->status;
    (void)tb_factory_install(*store, NULL, NULL); /* a full disk must not keep it from playing */
    web->models = tb_models_new(web, *store, err);
    if (!web->models)
        return err->status;
    if (tb_training_files_open(web->config.state_dir, err) != TB_OK)
        (void)complain(err, 0); /* likewise */
    web->sets = tb_sets_new(web, err);
    if (!web->sets || !(web->trainings = tb_trainings_new(web, err)))
        return err->status;
    web->reader = tb_store_open(web->config.state_dir, TB_STORE_READ, NULL, err);
    if (!web->reader || !(web->auth = tb_auth_new(err)) || !(web->cache = tb_cache_new(err)) ||
        !(web->publish = tb_publish_new(web, err)) || !(web->jobs = tb_jobs_new(web, err)) ||
        !(web->control = tb_control_new(web, err)) || !(web->ws = tb_ws_new(web, err)) ||
        !(web->link = tb_link_client_new(web, TB_FD_LINK, stop_soon, err)))
        return err->status;
    return TB_OK;
}

/* A fresh token for the link. Where the disk takes none, those of before still hold: only without
 * any it is a fault. */
static enum tb_status mint(struct tb_web *web, struct tb_store *store, bool first, char *token,
                           struct tb_error *err)
{
    struct tb_error fault;
    token[0] = '\0';
    enum tb_status minted = first ? tb_token_mint_link(store, token, err) : TB_OK;
    if (minted != TB_OK) {
        token[0] = '\0';
        (void)fprintf(stderr, "timbred: no new link: %s\n", err->text);
    }
    enum tb_status status = tb_auth_reload(web->auth, store, &fault);
    if (status != TB_OK)
        return tb_fail(err, status, "%s", fault.text);
    return tb_auth_count(web->auth) > 0 ? TB_OK : minted;
}

static enum tb_status start_parts(struct tb_web *web, struct tb_store *store, struct tb_error *err)
{
    web->writer = tb_writer_new(web, store, err);
    web->loads_reader = tb_store_open(web->config.state_dir, TB_STORE_READ, NULL, err);
    if (!web->loads_reader || !(web->loads = tb_pool_new(1, err)))
        return err->status;
    if (!web->writer || !(web->pool = tb_pool_new(TB_POOL_MAX, err)) ||
        !(web->http = tb_http_new(web, err)))
        return err->status;
    enum tb_status status = tb_models_start(web->models, err);
    return status == TB_OK ? tb_ws_start(web->ws, err) : status;
}

/* Whoever waits for another is stopped before it. HTTP and WebSocket still serve while the workers
 * and the store thread finish, and are told that these take nothing more: nothing that they use is
 * freed before they have ended. */
static void stop_parts(struct tb_web *web)
{
    if (web->link)
        tb_link_client_stop(web->link);
    if (web->jobs)
        tb_jobs_stop(web->jobs);
    tb_pool_stop(web->pool);
    tb_pool_stop(web->loads);
    tb_trainings_free(web->trainings); /* waits for its thread, which the jobs have let go */
    tb_models_stop(web->models);
    tb_writer_finish(web->writer);
    tb_http_free(web->http);
    tb_jobs_free(web->jobs);
    tb_ws_free(web->ws);
    web->ws = NULL;
    tb_pool_free(web->pool);
    tb_pool_free(web->loads);
    tb_store_close(web->loads_reader);
    tb_link_client_free(web->link);
    tb_models_free(web->models);
    tb_sets_free(web->sets);
    tb_control_free(web->control);
    tb_publish_free(web->publish);
    tb_cache_free(web->cache);
    tb_auth_free(web->auth);
    tb_store_close(web->reader);
    tb_writer_free(web->writer); /* last: only a writer can empty the write-ahead log */
    tb_shm_unmap(web->shm);
}

/* A killed web role must not take the port and those who are connecting with it. */
static enum tb_status keep_socket(struct tb_web *web, int socket, struct tb_error *err)
{
    struct tb_link_question question = {.type = TB_LINK_LISTENING, .fd = socket};
    return tb_link_ask(web->link, &question, NULL, err);
}

static int serve(struct tb_web *web, int socket)
{
    struct tb_error err = {0};
    struct tb_store *store = NULL;
    char token[TB_TOKEN_TEXT];
    bool first = !atomic_load(&web->shm->current.announced);
    if (tb_sandbox_web(&web->config, &err) != TB_OK || open_parts(web, &store, &err) != TB_OK)
        return complain(&err, 1);
    if (keep_socket(web, socket, &err) != TB_OK)
        (void)complain(&err, 0); /* only a restart after a crash is rougher */
    if (mint(web, store, first, token, &err) != TB_OK && !is_loopback(web->config.listen))
        return complain(&err, TB_EXIT_CONFIG); /* never open to the network without a token */
    if (tb_control_restore(web->control, store, &err) != TB_OK)
        (void)complain(&err, 0);
    if (start_parts(web, store, &err) != TB_OK)
        return complain(&err, 1);
    const char *host = is_every(web->config.listen) ? "127.0.0.1" : web->config.listen;
    if (first && token[0] &&
        tb_link_file_write(web->config.state_dir, host, web->port, token, &err))
        (void)complain(&err, 0); /* only the command line misses it */
    (void)printf("listening http://%s:%u\n",
                 is_loopback(web->config.listen) ? web->config.listen : "127.0.0.1", web->port);
    if (first && token[0]) {
        tb_banner_print(web, token);
        atomic_store(&web->shm->current.announced, 1);
    }
    (void)fflush(stdout);
    tb_accept_run(web, socket, stop_fd);
    (void)close(socket);
    stop_parts(web);
    return 0;
}

/* After a crash the panel must find the same port again, whatever it was chosen by. */
static enum tb_status open_socket(struct tb_web *web, int *socket, struct tb_error *err)
{
    *socket = TB_FD_LISTEN;
    if (tb_accept_inherited(TB_FD_LISTEN, &web->port))
        return TB_OK;
    return tb_accept_listen(&web->config, socket, &web->port, err);
}

int tb_web_main(int argc, char **argv)
{
    static struct tb_web web;
    struct tb_error err = {0};
    int socket = -1;
    web.started_ns = tb_now_ns();
    if (tb_config_load(argc, argv, &web.config, &err) != TB_OK)
        return complain(&err, TB_EXIT_CONFIG);
    char zoo[sizeof web.config.zoo];
    tb_zoo_find(web.config.zoo, zoo, sizeof zoo);
    memcpy(web.config.zoo, zoo, sizeof zoo);
    web.shm = tb_shm_map(TB_FD_SHM, &err);
    if (!web.shm)
        return complain(&err, 1);
    raise_files();
    if (!take_signals())
        return 1;
    enum tb_status status = open_socket(&web, &socket, &err);
    if (status != TB_OK)
        return complain(&err, status == TB_EINVAL ? TB_EXIT_CONFIG : EXIT_UNAVAILABLE);
    tb_hosts_init(&web.hosts, web.port, web.config.hosts);
    return serve(&web, socket);
}
