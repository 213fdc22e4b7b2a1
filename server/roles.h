/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_ROLES_H
#define TB_SERVER_ROLES_H

/* The three roles of the one program. The audio role starts the others as
 * `timbred --role=web ...` and `timbred --role=job` (the same executable by /proc/self/exe) with
 * these descriptors; everything else is closed. */
/* web: unix socket to the audio role, shared memory, and from the second start on the listening
 * socket of the one before (closed where there is none) */
enum { TB_FD_LINK = 3, TB_FD_SHM = 4, TB_FD_LISTEN = 5 };
enum { TB_FD_JOB = 3 }; /* job: unix socket to whoever asked for it */

/* argc/argv hold the options behind the command. Each returns the exit status of the process. */
int tb_serve_main(int argc, char **argv); /* audio role: server/audio/serve.c */
int tb_web_main(int argc, char **argv);   /* web role: server/web/web.c */
int tb_job_main(int argc, char **argv);   /* job role: server/offline/job.c */
/* A job that trains; options as the others have them, TB_FD_JOB: server/train/train_job.c */
int tb_train_job_main(int argc, char **argv);

#endif
