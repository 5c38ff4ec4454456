// SPDX-License-Identifier: Apache-2.0
#include "server/call.h"

#include <array>

#include "serving/rejection.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

// gRPC's codes, which its headers name too; this file is for both protocols.
constexpr int kCancelled = 1, kInvalid = 3, kDeadlineExceeded = 4, kNotFound = 5, kDenied = 7,
              kExhausted = 8, kUnimplemented = 12, kInternal = 13, kUnavailable = 14;

struct StatusRow {
  std::string_view type;
  ProtocolStatus status;
};
constexpr std::array kStatuses = {
    StatusRow{rejection::kEmpty,          {400, kInvalid, false}         },
    StatusRow{rejection::kOverLong,       {400, kInvalid, false}         },
    StatusRow{rejection::kHoleInMask,     {400, kInvalid, false}         },
    StatusRow{rejection::kOutOfRange,     {400, kInvalid, false}         },
    StatusRow{rejection::kPaddingId,      {400, kInvalid, false}         },
    StatusRow{rejection::kNotPaddable,    {400, kInvalid, false}         },
    StatusRow{rejection::kWrongDtype,     {400, kInvalid, false}         },
    StatusRow{rejection::kWrongInput,     {400, kInvalid, false}         },
    StatusRow{rejection::kQueueFull,      {503, kExhausted, true}        },
    StatusRow{rejection::kDeadline,       {504, kDeadlineExceeded, false}},
    StatusRow{rejection::kDeadlineMissed, {504, kDeadlineExceeded, false}},
    StatusRow{rejection::kClosed,         {503, kUnavailable, true}      },
    StatusRow{rejection::kCancelled,      {499, kCancelled, false}       },
    StatusRow{kNoHostMemory,              {503, kExhausted, true}        },
    StatusRow{refusal::kUnknownModel,     {404, kNotFound, false}        },
    StatusRow{refusal::kNotReady,         {503, kUnavailable, true}      },
    StatusRow{refusal::kMalformed,        {400, kInvalid, false}         },
    StatusRow{refusal::kTooLarge,         {413, kInvalid, false}         },
    StatusRow{refusal::kBusy,             {503, kExhausted, true}        },
    StatusRow{refusal::kUnsupported,      {501, kUnimplemented, false}   },
    StatusRow{refusal::kForbidden,        {403, kDenied, false}          },
};

}  // namespace

ProtocolStatus protocol_status(const Error& error) {
  for (const StatusRow& row : kStatuses)
    if (row.type == error.type) return row.status;
  // A session refuses by its policy, or finds something wrong with the inputs.
  if (error.kind == ErrorKind::Refused) return {503, kExhausted, false};
  if (error.kind == ErrorKind::Usage) return {400, kInvalid, false};
  return {500, kInternal, false};
}

}  // namespace tessera::server
