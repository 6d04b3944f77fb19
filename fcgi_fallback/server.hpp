// Where requests come from: a FastCGI socket, one request after the other until a signal stops the process; or this
// process's environment.
#pragma once

#include "fcgi_fallback/handler.hpp"

namespace pgevents::fallback {

// Serves the listening socket `fd` until TERM, INT or QUIT; a request at work is answered first. block_signals() must
// have been called. Returns the exit status.
int serve_fastcgi(int fd, Handler& handler);

// Answers the one request in environment and standard input. Returns the exit status.
int serve_cgi(Handler& handler);

// Whether a web server started this process as a CGI program.
bool started_as_cgi();

}  // namespace pgevents::fallback
