/* notify.c - sends datagrams to the service manager. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@') /* an abstract name begins with a zero byte */
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
			      (struct sockaddr *)&address, len);
	(void)sent; /* see the header */
	close(fd);
}

int64_t notify_watchdog_ms(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	int64_t usec, whose;

	if (!str_to_i64(str_of(getenv("WATCHDOG_USEC")), &usec) || usec <= 0)
		return 0;
	if (pid && (!str_to_i64(str_of(pid), &whose) || whose != getpid()))
		return 0;
	return MAX(usec / 2000, (int64_t)1);
}
