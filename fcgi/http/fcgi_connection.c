/* SPDX-License-Identifier: MIT */
#include "http/fcgi_connection.h"

bool fcgi_init(void)
{
	return FCGX_Init() == 0;
}

/* Without a listening socket (-1) FCGX_Accept_r fails when a connection brings no request; else it would accept one. */
void fcgi_connection_init(struct fcgi_connection *c)
{
	FCGX_InitRequest(&c->request, -1, 0);
}

/*
 * FCGX_Accept_r serves the connection that is set in ipcFd. Both it and FCGX_Finish_r close the connection unless
 * keepConnection is set; the web server's wish is in it only between the two. Detached, libfcgi closes a broken
 * connection without waiting up to 2 s for the other side.
 */
bool fcgi_start(struct fcgi_connection *c, int fd)
{
	c->request.ipcFd = fd;
	c->request.keepConnection = 1;
	FCGX_Detach(&c->request);
	if (FCGX_Accept_r(&c->request) < 0)
		return false;
	c->keep = c->request.keepConnection;
	c->request.keepConnection = 1;
	return true;
}

const char *const *fcgi_params(const struct fcgi_connection *c)
{
	return (const char *const *)c->request.envp;
}

bool fcgi_read(struct fcgi_connection *c, struct buf *out)
{
	char piece[4096];
	int len;

	while ((len = FCGX_GetStr(piece, sizeof(piece), c->request.in)) > 0)
		buf_add(out, piece, (size_t)len);
	return FCGX_GetError(c->request.in) == 0;
}

void fcgi_write(struct fcgi_connection *c, const char *data, size_t len)
{
	FCGX_PutStr(data, (int)len, c->request.out);
}

bool fcgi_end(struct fcgi_connection *c)
{
	FCGX_Finish_r(&c->request);
	bool open = c->request.ipcFd >= 0;
	c->request.ipcFd = -1;
	return open;
}
