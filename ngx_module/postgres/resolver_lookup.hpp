// One lookup of host names by nginx's `resolver`, which never blocks. ServerAddresses asks it first where the operator
// has one configured.
#pragma once

#include "ngx_module/nginx.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "postgres/hosts.hpp"

namespace pgevents::nginx {

class ResolverLookup {
 public:
  // Gets a call when all answers are there.
  class Owner {
   public:
    virtual void resolver_done() noexcept = 0;

   protected:
    ~Owner() = default;
  };

  explicit ResolverLookup(Owner& owner) : owner_(owner) {}
  ~ResolverLookup() { cancel(); }
  ResolverLookup(const ResolverLookup&) = delete;
  ResolverLookup& operator=(const ResolverLookup&) = delete;

  // resolver_done() follows, later or before this returns: `resolver` keeps answers for a while. Throws if memory is
  // refused; then nothing follows.
  void start(ngx_resolver_t* resolver, const std::vector<std::string>& names, ngx_msec_t timeout);
  bool running() const noexcept { return !questions_.empty(); }
  // The answers, once, in resolver_done(): an entry for each name.
  postgres::Addresses take();
  void cancel() noexcept;

 private:
  struct Question {
    ResolverLookup* lookup;
    postgres::NameAddresses answer;
    std::string asked;            // the resolver writes the name in lower case
    ngx_resolver_ctx_t* context;  // null: answered
  };

  static void on_answer(ngx_resolver_ctx_t* context);
  void ask(ngx_resolver_t* resolver, Question& question, ngx_msec_t timeout);

  Owner& owner_;
  std::vector<std::unique_ptr<Question>> questions_;
  std::size_t open_ = 0;  // questions without an answer, and start() itself
};

}  // namespace pgevents::nginx
