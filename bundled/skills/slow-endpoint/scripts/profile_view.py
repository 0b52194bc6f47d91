"Time one request of the service and count its queries: profile_view.py /items?limit=500"

import sys
import time

from sqlalchemy import event
from stockroom import create_app
from stockroom.models import db

app = create_app()
seen = []
with app.app_context():
    event.listen(db.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    began = time.perf_counter()
    answer = app.test_client().get(sys.argv[1])
print(f"GET {sys.argv[1]} -> {answer.status_code} in {time.perf_counter() - began:.3f} s, {len(seen)} queries")
