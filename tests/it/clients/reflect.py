"""Lists what a server says of itself over gRPC reflection: its services, each with its methods."""

import json
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

with grpc.insecure_channel(sys.argv[1]) as channel:
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    services = {}
    for name in database.get_services():
        described = pool.FindServiceByName(name)
        services[name] = sorted(method.name for method in described.methods)
    print(json.dumps(services))
