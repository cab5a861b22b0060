import { expect, it } from 'vitest';
import { rebootsHost } from './host-command.ts';

it.each([
  'reboot',
  'reboot now',
  'systemctl reboot',
  'systemctl -i reboot',
  'apt-get -y upgrade && sudo -n /sbin/reboot',
  'if true; then shutdown -r now; fi',
  '[ -e /var/run/reboot-required ] && (reboot)',
  'echo done\nexec init 6',
])('a command that reboots its host is known: %s', (script) => expect(rebootsHost(script)).toBe(true));

it.each([
  'true',
  'echo reboot',
  'touch /var/run/reboot-required',
  'systemctl restart reboot-notifier',
  'rebooter --check',
  'shutdown --show',
  'init 3',
])('a command that reboots nothing is none: %s', (script) => expect(rebootsHost(script)).toBe(false));
