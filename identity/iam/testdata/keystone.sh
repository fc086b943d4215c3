#!/usr/bin/env bash
# Becomes a fresh OpenStack Keystone (Debian packages python3-keystone and gunicorn): SQLite, fernet tokens, one process.
#
#   keystone.sh DIR ADDRESS    DIR is an empty folder for its state; file descriptor 3 is the socket that listens on ADDRESS
#
# The administrator is admin of domain "default", with the password adminpw.
set -euo pipefail
dir=$1
address=$2
python=/usr/bin/python3 # that of the packages, not another one in PATH

cat >"$dir/keystone.conf" <<CONF
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///$dir/keystone.db
[token]
provider = fernet
expiration = 3600
[fernet_tokens]
key_repository = $dir/fernet-keys
[fernet_receipts]
key_repository = $dir/fernet-keys
[credential]
key_repository = $dir/credential-keys
[cache]
enabled = false
[identity]
# The least that bcrypt takes: tests need no slow hash.
password_hash_algorithm = bcrypt
password_hash_rounds = 4
[auth]
methods = password,token,totp
[security_compliance]
lockout_failure_attempts = 5
lockout_duration = 5
CONF
export OS_KEYSTONE_CONFIG_FILES="$dir/keystone.conf"

manage() { /usr/bin/keystone-manage --config-file "$dir/keystone.conf" "$@" 2>>"$dir/manage.log" || { cat "$dir/manage.log" >&2; exit 1; }; }
owner=(--keystone-user "$(id -un)" --keystone-group "$(id -gn)")
manage db_sync
# Without a write-ahead log readers block writers: "database is locked".
"$python" -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("pragma journal_mode=wal")' "$dir/keystone.db"
manage fernet_setup "${owner[@]}"
manage credential_setup "${owner[@]}"
manage bootstrap --bootstrap-username admin --bootstrap-password adminpw --bootstrap-project-name admin \
  --bootstrap-role-name admin --bootstrap-service-name keystone --bootstrap-region-id eu-de \
  --bootstrap-public-url "http://$address/v3"

# Keystone reads sys.argv: the arguments of gunicorn are hidden from it.
cat >"$dir/application.py" <<'PYTHON'
import sys
sys.argv = ["keystone"]
from keystone.server.wsgi import initialize_public_application
application = initialize_public_application()
PYTHON
exec "$python" -m gunicorn --chdir "$dir" --workers 1 --bind fd://3 application:application
