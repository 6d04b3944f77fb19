// See resolver_lookup.hpp.
#include "ngx_module/postgres/resolver_lookup.hpp"

#include <utility>

namespace pgevents::nginx {
namespace {

constexpr char kNotAsked[] = "nginx's resolver cannot be asked";

void take_addresses(const ngx_resolver_ctx_t& context, postgres::NameAddresses& answer) {
  for (ngx_uint_t i = 0; i < context.naddrs; ++i) {
    u_char text[NGX_SOCKADDR_STRLEN];
    const std::size_t length =
        ngx_sock_ntop(context.addrs[i].sockaddr, context.addrs[i].socklen, text, sizeof(text), 0);
    answer.addresses.emplace_back(reinterpret_cast<const char*>(text), length);
  }
  answer.error = answer.addresses.empty() ? "no address" : "";
}

}  // namespace

void ResolverLookup::start(ngx_resolver_t* resolver, const std::vector<std::string>& names, ngx_msec_t timeout) {
  cancel();
  std::vector<std::unique_ptr<Question>> questions;
  questions.reserve(names.size());
  for (const std::string& name : names) {
    questions.push_back(std::make_unique<Question>(Question{this, {name, {}, kNotAsked, true}, name, nullptr}));
  }
  questions_ = std::move(questions);
  open_ = 1;
  for (const auto& question : questions_) {
    ask(resolver, *question, timeout);
  }
  if (--open_ == 0) {
    owner_.resolver_done();
  }
}

// The resolver calls back at once if it knows the answer. A context that it does not accept it has freed.
void ResolverLookup::ask(ngx_resolver_t* resolver, Question& question, ngx_msec_t timeout) {
  ngx_resolver_ctx_t* const context = ngx_resolve_start(resolver, nullptr);
  if (context == nullptr || context == NGX_NO_RESOLVER) {
    return;
  }
  context->name = {question.asked.size(), reinterpret_cast<u_char*>(question.asked.data())};
  context->handler = &ResolverLookup::on_answer;
  context->data = &question;
  context->timeout = timeout;
  context->cancelable = 1;  // it never keeps an exiting worker
  question.context = context;
  ++open_;
  if (ngx_resolve_name(context) != NGX_OK) {
    question.context = nullptr;
    --open_;
  }
}

void ResolverLookup::on_answer(ngx_resolver_ctx_t* context) {
  auto& question = *static_cast<Question*>(context->data);
  ResolverLookup& self = *question.lookup;
  if (context->state == 0) {
    guarded(ngx_cycle->log, [&] { take_addresses(*context, question.answer); });
  } else {
    guarded(ngx_cycle->log, [&] { question.answer.error = ngx_resolver_strerror(context->state); });
  }
  question.context = nullptr;
  ngx_resolve_name_done(context);
  if (--self.open_ == 0) {
    self.owner_.resolver_done();
  }
}

postgres::Addresses ResolverLookup::take() {
  const auto questions = std::move(questions_);
  questions_.clear();
  postgres::Addresses answers;
  for (const auto& question : questions) {
    answers.push_back(std::move(question->answer));
  }
  return answers;
}

void ResolverLookup::cancel() noexcept {
  for (const auto& question : questions_) {
    if (question->context != nullptr) {
      ngx_resolve_name_done(question->context);
    }
  }
  questions_.clear();
}

}  // namespace pgevents::nginx
