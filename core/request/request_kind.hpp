// What a request asks for, as the metrics and the access log name it.
#pragma once

#include "core/metrics/labels.hpp"
#include "core/request/request.hpp"

namespace pgevents {

// kUnknown for a request that was rejected.
RequestKind kind_of(const Route& route) noexcept;

}  // namespace pgevents
