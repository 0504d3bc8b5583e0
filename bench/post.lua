-- For wrk: what a durable call sends.
wrk.method = "POST"
wrk.body = "{\"n\": 1}"
wrk.headers["Content-Type"] = "application/json"
