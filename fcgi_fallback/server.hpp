// Where requests come from: a FastCGI socket, one after the other until told to stop; or this process's environment.
#pragma once

#include "fcgi_fallback/handler.hpp"

namespace pgevents::fallback {

// Serves the listening socket `fd` until TERM, INT or QUIT; the request at work is answered first. Needs
// block_signals(). Returns the exit status.
int serve_fastcgi(int fd, Handler& handler);

// Answers the one request that environment and standard input hold.
int serve_cgi(Handler& handler);

// Whether a web server started this process as a CGI program.
bool started_as_cgi();

}  // namespace pgevents::fallback
