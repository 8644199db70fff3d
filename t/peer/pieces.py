"""Long texts to a terminal: no character is cut where one piece ends and the next begins.

pieces.py PROGRAM SEND-OPTION... ++ READ-OPTION...: sends texts, and reads each by `read` and in the
menu of `client`. What is not shown as it was sent is named."""
import subprocess
import sys

import terminal

program, options = sys.argv[1], sys.argv[2:]
sender, reader = options[:options.index('++')], options[options.index('++') + 1:]
for what, data in terminal.texts(300000):
    subprocess.run([program, 'send', *sender, '--title', 'pieces'], input=data, check=True)
    rows = subprocess.run([program, 'inbox', *reader], stdout=subprocess.PIPE, check=True).stdout
    got, code = terminal.shown([program, 'read', *reader, '--last', '--content'])
    if code != 0 or not got.endswith(data + b'\n'):
        print(f'read: {what} ({code})')
    answers = f'2\n3\n{len(rows.splitlines())}\n4\n'.encode()
    got, code = terminal.shown([program, 'client', *reader], answers)
    if code != 0 or data + b'\n' not in got:
        print(f'client: {what} ({code})')
