"""Requests signed for AWS (Amazon Managed Service for Prometheus), by botocore: the extra ``cgtune[sigv4]``.

It is botocore and no smaller signer because the signature is the lesser part: credentials come from the environment, a profile, single
sign-on, the web identity of a pod or the instance, and most of them have to be renewed.
"""

from __future__ import annotations

from cgtune.errors import UsageError

_SERVICE = "aps"


class Signer:
    """Signs for one region with the credentials that AWS's own tools would take. Raises UsageError if there are none, or no botocore."""

    def __init__(self, region: str) -> None:
        try:
            import botocore.exceptions
            import botocore.session
        except ImportError:
            raise UsageError("--sigv4-region needs botocore: pip install 'cgtune[sigv4]'") from None
        self._region = region
        try:
            self._credentials = botocore.session.Session().get_credentials()
        except botocore.exceptions.BotoCoreError as error:
            raise UsageError(f"--sigv4-region: AWS's credentials cannot be had: {type(error).__name__}") from error
        if self._credentials is None:
            raise UsageError("--sigv4-region: no credentials of AWS in the environment, a profile, a web identity or this instance")

    def sign(self, method: str, url: str, content_type: str | None, content: bytes) -> dict[str, str]:
        """The headers that prove this request: signature, time, and the session's token if there is one."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        request = AWSRequest(method=method, url=url, data=content, headers={} if content_type is None else {"Content-Type": content_type})
        try:
            SigV4Auth(self._credentials.get_frozen_credentials(), _SERVICE, self._region).add_auth(request)
        except BotoCoreError as error:  # its words may name what it asked for
            raise UsageError(f"--sigv4-region: AWS's credentials cannot be renewed: {type(error).__name__}") from error
        return {name: str(value) for name, value in request.headers.items() if name != "Content-Type"}
