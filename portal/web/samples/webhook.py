import base64, hashlib, hmac, os, time

def genuine(headers, body: bytes) -> bool:
    """Says whether a call comes from PUBLIC_URL_HERE, and not long ago."""
    key = base64.b64decode(os.environ["LLM_HUB_WEBHOOK_SECRET"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    want = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and hmac.compare_digest(want, headers["webhook-signature"])
