/* bug.c - turns an abort() of our own into an exit status. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bug.h"

#include <signal.h>
#include <unistd.h>

#include "base/err.h"

static void on_abort(int number, siginfo_t *info, void *context)
{
	static const char words[] = "chatmill: this is a bug of chatmill, not of its input or configuration; "
				    "please report it with the lines above\n";

	if (info->si_pid != getpid())
		raise(number); /* by now the handler is gone */
	ssize_t done = write(STDERR_FILENO, words, sizeof words - 1);
	(void)done; /* nobody is left to be told */
	_exit(ERR_BUG);
}

void bug_init(void)
{
	struct sigaction action = {.sa_sigaction = on_abort,
				   .sa_flags = SA_SIGINFO | SA_RESETHAND | (int)SA_NODEFER};
	sigset_t abort_only;

	sigemptyset(&action.sa_mask);
	sigemptyset(&abort_only);
	sigaddset(&abort_only, SIGABRT);
	(void)sigaction(SIGABRT, &action, NULL); /* cannot fail for a signal that may be caught */
	(void)sigprocmask(SIG_UNBLOCK, &abort_only, NULL); /* whatever who started us had blocked */
}
