/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

/* The second one, whichever, ends it. */
static void note(int signal_number)
{
    if (stopped == 0) {
        stopped = signal_number;
        return;
    }
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number); /* comes when the handler returns */
}

void stop_watch(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction ours = {.sa_handler = note, .sa_flags = SA_RESTART | (int)SA_RESETHAND}, theirs;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &theirs) == 0 && theirs.sa_handler == SIG_DFL && stopped == 0)
            (void)sigaction(signals[i], &ours, NULL);
}

int stop_wanted(void)
{
    return stopped != 0;
}

int stop_finish(int status)
{
    const int signal_number = stopped;
    if (status == 0 || signal_number == 0) return status;
    (void)fflush(NULL);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
    return 128 + signal_number;
}

int report_stopped(annulus_status st, const char *checkpoint)
{
    if (st != ANNULUS_ERR_CANCELLED) return report_failure();
    fprintf(stderr, "annulus: %s; ", annulus_error_message());
    if (checkpoint == NULL)
        fprintf(stderr, "with --checkpoint FILE it could go on\n");
    else if (access(checkpoint, F_OK) == 0)
        fprintf(stderr, "the same command goes on from %s\n", checkpoint);
    else
        fprintf(stderr, "nothing was finished that %s could keep\n", checkpoint);
    return 1;
}
