"""Run an application under the very server and options of `billing serve`: for the floors."""

import argparse

import uvicorn


def main() -> None:
    """Serve until asked to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("app", help="module:name, with () behind a factory's")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(
        given.app.removesuffix("()"),
        factory=given.app.endswith("()"),
        port=given.port,
        log_config=None,
        access_log=False,
        proxy_headers=True,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
