// SPDX-License-Identifier: Apache-2.0
// ModelInfer: a call from its bytes to its answer.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/grpc_server.h"

namespace tessera::server {

grpc::Status grpc_status(const Error& error);

grpc::ServerUnaryReactor* start_infer(std::shared_ptr<const GrpcParts> parts,
                                      grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request, grpc::ByteBuffer* response);

}  // namespace tessera::server
