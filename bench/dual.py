"""Ours with both edges, gRPC one port above HTTP. Run: python -m bench.dual PORT FOLDER"""

import sys

from armature.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    port, folder = int(sys.argv[1]), sys.argv[2]
    main(["run", "--topology", "dual", "--port", str(port), "--grpc-port", str(port + 1), "--data", folder])
