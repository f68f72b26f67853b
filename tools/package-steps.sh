#!/bin/bash
# What an administrator may do with the package, step by step, within a root of
# its own: package-steps.sh FOLDER, for test-package.sh. Changes the machine it
# runs on.

set -eu

folder=$1
name=libnginx-mod-http-upstream-502
deb=$(echo "$folder/$name"_*_"$(dpkg --print-architecture)".deb)
module=ngx_http_upstream_502_module.so
link=/etc/nginx/modules-enabled/50-mod-http-upstream-502.conf
state=/var/lib/nginx/upstream_502
example=/usr/share/doc/$name/examples/upstream-502.conf
conf=/etc/nginx/conf.d/upstream-502.conf
status=http://127.0.0.1:8502/upstream_502_status
said=$folder/said
failures=0

step() { echo "--- $*"; }

# holds WHAT COMMAND...
holds() {
  local what=$1
  shift
  if "$@" >"$folder/output" 2>&1; then
    echo "ok: $what"
  else
    echo "NOT ok: $what: $*" >&2
    tail -20 "$folder/output" >&2
    failures=$((failures + 1))
  fi
}

fails() { ! "$@"; }

# Within ten seconds.
comes() {
  local turns
  for ((turns = 0; turns < 100; ++turns)); do
    "$@" && return
    sleep 0.1
  done
  return 1
}

master() { cat /run/nginx.pid; }
is_loaded() { grep -q "$module" "/proc/$(master)/maps"; }
is_master() { [ "$(master)" = "$1" ] && kill -0 "$1"; }
answers() { curl -sf -o /dev/null "$1"; }
dpkg_run() { dpkg "$@" >"$said" 2>&1; }
mode() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ]; }

# A package like the one of release 0.1.0 was: other scripts, fewer files.
old_package() {
  local tree=$folder/old
  rm -rf "$tree"
  dpkg-deb -R "$deb" "$tree"
  rm -rf "$tree/usr/share/man" "$tree/usr/share/doc/$name/examples" \
    "$tree"/DEBIAN/{md5sums,postrm,triggers}
  sed -i 's/^Version: .*/Version: 0.1.0/' "$tree/DEBIAN/control"
  cat >"$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if [ -z "$2" ] && [ -d /etc/nginx/modules-enabled ]; then
    ln -sf /usr/share/nginx/modules-available/mod-http-upstream-502.conf \
      /etc/nginx/modules-enabled/50-mod-http-upstream-502.conf
  fi
  dpkg-trigger --no-await nginx-reload || true
fi
END
  cat >"$tree/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = deconfigure ]; then
  rm -f /etc/nginx/modules-enabled/50-mod-http-upstream-502.conf
  dpkg-trigger --no-await nginx-reload || true
fi
END
  chmod 0755 "$tree"/DEBIAN/p*
  dpkg-deb -b "$tree" "$folder/old.deb" >/dev/null
}

# There is no init here, and dpkg would leave nginx alone.
policy=/usr/sbin/policy-rc.d
printf '#!/bin/sh\nexit 0\n' >$policy
chmod 0755 $policy
trap 'rm -f $policy' EXIT

step "before"
dpkg_run -P $name || :
rm -f $conf
holds "nginx starts" /etc/init.d/nginx start
comes test -s /run/nginx.pid
pid=$(master)

step "install"
holds "installs" dpkg_run -i "$deb"
holds "nginx is the same process" is_master "$pid"
holds "it has loaded the module by itself" comes is_loaded
holds "its configuration is valid" nginx -t -q
holds "the folder for statistics is nginx's" mode $state "www-data:www-data 750"
holds "there is a manual page" man -w 5 ngx_http_upstream_502_module

step "the example"
cp $example $conf
holds "passes nginx -t" nginx -t -q
nginx -s reload
holds "answers" comes answers $status
curl -s -o /dev/null http://127.0.0.1:8502/fails
curl -s $status >"$folder/report"
holds "tells a failure" grep -q 'nothing listens on 127.0.0.1:1' "$folder/report"
cat "$folder/report" | sed -n '/^== /,$p' | head -8
/etc/init.d/nginx restart >/dev/null
holds "is there after a restart" comes answers $status
curl -s $status >"$folder/report"
holds "with what it had counted" grep -q '^requests 1,' "$folder/report"
pid=$(master)

step "the same again"
holds "installs" dpkg_run -i "$deb"
holds "nginx is the same process" is_master "$pid"
holds "answers" comes answers $status

step "upgrade from 0.1.0"
rm -f $conf
nginx -s reload
dpkg_run -P $name
old_package
holds "0.1.0 installs" dpkg_run -i "$folder/old.deb"
holds "is loaded" comes is_loaded
holds "upgrades" dpkg_run -i "$deb"
holds "nginx is the same process" is_master "$pid"
holds "the module stays enabled" test -L $link
holds "the folder for statistics is there" test -d $state

step "an administrator who took the link away"
dpkg_run -i --force-downgrade "$folder/old.deb"
rm -f $link
holds "upgrades" dpkg_run -i "$deb"
holds "does not get it back" fails test -e $link
ln -s /usr/share/nginx/modules-available/mod-http-upstream-502.conf $link

step "a configuration that is not valid"
dpkg_run -i --force-downgrade "$folder/old.deb"
echo "no_such_directive on;" >/etc/nginx/conf.d/broken.conf
holds "upgrades nevertheless" dpkg_run -i "$deb"
holds "nginx is the same process" is_master "$pid"
holds "is removed nevertheless" dpkg_run -r $name
holds "and says that nginx would not start" grep -q no_such_directive "$said"
holds "installs nevertheless" dpkg_run -i "$deb"
holds "nginx is the same process" is_master "$pid"
rm /etc/nginx/conf.d/broken.conf
holds "is valid without that" nginx -t -q

step "remove, while directives are still in use"
cp $example $conf
nginx -s reload
holds "answers" comes answers $status
holds "is removed" dpkg_run -r $name
holds "it is said which file to mend" grep -q "$conf" "$said"
holds "nginx is the same process" is_master "$pid"
holds "and answers" answers $status
rm $conf
holds "valid without these" nginx -t -q
nginx -s reload
holds "the module is gone from nginx" comes fails is_loaded
holds "the statistics are kept" test -d $state

step "back again, and away for good"
holds "installs" dpkg_run -i "$deb"
holds "is enabled again" test -L $link
holds "is loaded" comes is_loaded
holds "is purged" dpkg_run -P $name
left() { find $state /etc/nginx /usr/lib/nginx /usr/share/nginx \
    -name "*upstream*502*" 2>/dev/null | grep .; }
holds "nothing is left" fails left
holds "the module is gone from nginx" comes fails is_loaded
holds "nginx is the same process" is_master "$pid"
holds "nginx ends" /etc/init.d/nginx stop

[ $failures = 0 ] || echo "$failures steps failed" >&2
[ $failures = 0 ]
