// Responses and bodies in the terms of CGI; see cgi_response.hpp.
#include "fcgi_fallback/cgi_response.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace pgevents::fallback {

namespace {

const char* reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 425:
      return "Too Early";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Error" : "Server Error";
  }
}

// CONTENT_LENGTH; nothing if it is absent (the body then ends where the input does) or not a number.
std::optional<std::size_t> content_length(const CgiRequest& cgi) {
  const auto text = cgi.variable("CONTENT_LENGTH");
  if (!text || text->empty()) {
    return std::nullopt;
  }
  std::size_t length = 0;
  const char* const end = text->data() + text->size();
  const auto result = std::from_chars(text->data(), end, length);
  if (result.ec == std::errc::result_out_of_range) {
    return SIZE_MAX;
  }
  if (result.ec != std::errc() || result.ptr != end) {
    return std::nullopt;
  }
  return length;
}

}  // namespace

bool send_head(CgiRequest& cgi, int status, const std::vector<Header>& headers) {
  std::string head = "Status: " + std::to_string(status) + ' ' + reason(status) + "\r\n";
  for (const Header& header : headers) {
    head += header.name + ": " + header.value + "\r\n";
  }
  head += std::string(kNoSniffName) + ": " + kNoSniffValue + "\r\n";
  return cgi.write(head += "\r\n");
}

void send_reply(CgiRequest& cgi, const Reply& reply, bool head_only) {
  std::vector<Header> headers = reply.headers;
  if (reply.status != 204) {
    headers.push_back({"Content-Length", std::to_string(reply.body.size())});
  }
  if (send_head(cgi, reply.status, headers) && !head_only) {
    cgi.write(reply.body);
  }
}

std::vector<Header> buffered_stream_headers() {
  auto headers = stream_headers();
  headers.erase(std::remove_if(headers.begin(), headers.end(),
                               [](const Header& header) { return header.name == "X-Accel-Buffering"; }),
                headers.end());
  return headers;
}

std::optional<Error> read_body(CgiRequest& cgi, std::size_t max_size, std::string& body) {
  const auto length = content_length(cgi);
  const Error too_large = body_too_large(max_size);
  if (length && *length > max_size) {
    return too_large;
  }
  char buffer[16384];
  while (!length || body.size() < *length) {
    const std::size_t wanted = length ? std::min(sizeof buffer, *length - body.size()) : sizeof buffer;
    const std::size_t got = cgi.read(buffer, wanted);
    if (got == 0) {
      break;
    }
    body.append(buffer, got);
    if (body.size() > max_size) {
      return too_large;
    }
  }
  if (length && body.size() < *length) {
    return make_error(400, "The body is incomplete");
  }
  return std::nullopt;
}

}  // namespace pgevents::fallback
