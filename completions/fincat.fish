# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fincat_global_optspecs
    string join \n h/help V/version
end

function __fish_fincat_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fincat_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fincat_using_subcommand
    set -l cmd (__fish_fincat_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fincat -n "__fish_fincat_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fincat -n "__fish_fincat_needs_command" -s V -l version -d 'Print version'
complete -c fincat -n "__fish_fincat_needs_command" -f -a "listen" -d 'Wait for peers over TCP'
complete -c fincat -n "__fish_fincat_needs_command" -f -a "connect" -d 'Connect to a peer over TCP'
complete -c fincat -n "__fish_fincat_needs_command" -f -a "udp" -d 'The same over UDP'
complete -c fincat -n "__fish_fincat_needs_command" -f -a "unix" -d 'The same over unix sockets'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l interface -d 'Only by way of this network interface' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l mark -d 'The firewall\'s mark of what is sent (SO_MARK)' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l rcvbuf -d 'Size of the buffer for what is received' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l sndbuf -d 'Size of the buffer for what is sent' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l ttl -d 'How many routers a packet may pass' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l tos -d 'The type of service, a whole byte' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l dscp -d 'The type of service as a code point: 0 to 63, cs1, af41, ef ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s w -l connect-timeout -d 'How long to wait for the first peer' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l port-file -d 'Write the bound port to FILE, by atomic rename' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l keepalive -d 'Ask a silent peer whether it is there' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l user-timeout -d 'How long what is sent may stay unacknowledged' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l mss -d 'The largest segment' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l congestion -d 'Congestion control, such as cubic or reno' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l backlog -d 'Length of the queue of those who wait' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l count -d 'Exit when N conversations have been served' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s m -l max-connections -d 'At most N at once, the others wait; 512 by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l max-per-ip -d 'At most N at once from one address, the others are closed' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l allow -d 'Admit only this network, and the others allowed (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l deny -d 'Do not admit this network; wins over --allow (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l grace -d 'How long a stopping server lets conversations finish; 10 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l user -d 'Once listening, become USER, with GROUP or the user\'s own' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l chdir -d 'Once listening, go to this directory' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s c -l sh -d 'The same with a line for /bin/sh' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l send -d 'Send TEXT, half-close, hear the peer out' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l send-file -d 'Send FILE, half-close, hear the peer out' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l to -d 'Forward to tcp:HOST:PORT, udp:HOST:PORT, unix:PATH ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l on-eof -d 'At our input\'s end: half-close, close, hold, reset' -r -f -a "half-close\t''
close\t''
hold\t''
reset\t''"
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l on-fin -d 'At the peer\'s FIN: auto, drain or close' -r -f -a "auto\t''
drain\t''
close\t''"
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s q -l quit-after -d 'After our end, TIME without a byte ends in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l half-close-timeout -d 'After either end, TIME without a byte the other way is a failure' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l idle-timeout -d 'TIME without a byte either way is a failure; for datagrams, an end in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l deadline -d 'Everything must be over after TIME; in a server, each conversation' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l log-fd -d 'Say it to descriptor N instead of standard error' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l log-file -d 'Say it at the end of FILE instead of standard error' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l hexdump -d 'Write every byte to FILE, with direction, time and offset' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l retry -d 'Try N times more' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l retry-delay -d 'Before the first of them, then twice as long each time; 1 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l proxy-protocol -d 'Tell the upstream who called: v1 or v2; be told so by peers: accept' -r -f -a "accept\t''
v1\t''
v2\t''"
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l retry-for -d 'Try for TIME, whatever happens' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l hub-queue -d 'Bytes kept for a peer that does not read; 1M by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l ready-fd -d 'Write the bound address, a line each, to descriptor N, and close it' -r
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l activated -d 'Listen on the sockets that systemd, or whoever started us, has bound'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s 4 -d 'IPv4 only'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s 6 -d 'IPv6 only'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s n -l numeric -d 'Resolve no names'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l reuse-port -d 'Share the port with other listeners that ask for it too'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l nodelay -d 'Send small pieces at once (TCP_NODELAY)'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l fast-open -d 'Let data travel in the SYN'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l single -d 'One conversation at a time, the others wait (default)'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l thread -d 'A thread for each conversation'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l fork -d 'A process for each conversation'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s k -l keep-open -d 'Go on after the first conversation'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l pipes -d 'Give the command pipes instead of the socket'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l echo -d 'Send back what the peer sends (RFC 862)'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l discard -d 'Drop what the peer sends (RFC 863)'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l no-splice -d 'Copy all bytes: never pass them on inside the kernel'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s C -l crlf -d 'Send each LF of standard input as CRLF'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s N -l half-close -d '--on-eof half-close, the default'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l send-only -d 'Drop what the peer sends; end when all that we sent is acknowledged'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l recv-only -d 'Never read standard input'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l confirm -d 'Fail unless the peer has acknowledged every byte and the end was in order'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s v -l verbose -d 'Tell of each conversation; -vv: of every end and option'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l quiet -d 'Say nothing, not even of failures'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l json -d 'The same as JSON, an object a line; with --check, the answers'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l trace -d 'Draw the life of each conversation, as the kernel shows it'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l progress -d 'Show how far it is, on a terminal'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l fan-out -d 'Every peer gets standard input, the slowest sets the pace (--thread)'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l hub -d 'What one peer sends, all others get (--thread)'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -l lines -d 'Keep lines whole where input and output are shared'
complete -c fincat -n "__fish_fincat_using_subcommand listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s s -l source -d 'Come from this address' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s p -l source-port -d 'Come from this port' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s w -l connect-timeout -d 'Bound over name and connecting, for each try' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l retry -d 'Try N times more' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l retry-delay -d 'Before the first of them, then twice as long each time; 1 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l retry-for -d 'Try for TIME, whatever happens' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l interface -d 'Only by way of this network interface' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l mark -d 'The firewall\'s mark of what is sent (SO_MARK)' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l rcvbuf -d 'Size of the buffer for what is received' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l sndbuf -d 'Size of the buffer for what is sent' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l ttl -d 'How many routers a packet may pass' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l tos -d 'The type of service, a whole byte' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l dscp -d 'The type of service as a code point: 0 to 63, cs1, af41, ef ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l keepalive -d 'Ask a silent peer whether it is there' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l user-timeout -d 'How long what is sent may stay unacknowledged' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l mss -d 'The largest segment' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l congestion -d 'Congestion control, such as cubic or reno' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l stable -d 'With --check: it must stay open for TIME' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s c -l sh -d 'The same with a line for /bin/sh' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l send -d 'Send TEXT, half-close, hear the peer out' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l send-file -d 'Send FILE, half-close, hear the peer out' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l to -d 'Forward to tcp:HOST:PORT, udp:HOST:PORT, unix:PATH ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l on-eof -d 'At our input\'s end: half-close, close, hold, reset' -r -f -a "half-close\t''
close\t''
hold\t''
reset\t''"
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l on-fin -d 'At the peer\'s FIN: auto, drain or close' -r -f -a "auto\t''
drain\t''
close\t''"
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s q -l quit-after -d 'After our end, TIME without a byte ends in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l half-close-timeout -d 'After either end, TIME without a byte the other way is a failure' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l idle-timeout -d 'TIME without a byte either way is a failure; for datagrams, an end in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l deadline -d 'Everything must be over after TIME; in a server, each conversation' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l log-fd -d 'Say it to descriptor N instead of standard error' -r
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l log-file -d 'Say it at the end of FILE instead of standard error' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l hexdump -d 'Write every byte to FILE, with direction, time and offset' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s 4 -d 'IPv4 only'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s 6 -d 'IPv6 only'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s n -l numeric -d 'Resolve no names'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l nodelay -d 'Send small pieces at once (TCP_NODELAY)'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l fast-open -d 'Let data travel in the SYN'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s z -l check -d 'Only tell who answers: no conversation, several places'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l pipes -d 'Give the command pipes instead of the socket'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l echo -d 'Send back what the peer sends (RFC 862)'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l discard -d 'Drop what the peer sends (RFC 863)'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l no-splice -d 'Copy all bytes: never pass them on inside the kernel'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s C -l crlf -d 'Send each LF of standard input as CRLF'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s N -l half-close -d '--on-eof half-close, the default'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l send-only -d 'Drop what the peer sends; end when all that we sent is acknowledged'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l recv-only -d 'Never read standard input'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l confirm -d 'Fail unless the peer has acknowledged every byte and the end was in order'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s v -l verbose -d 'Tell of each conversation; -vv: of every end and option'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l quiet -d 'Say nothing, not even of failures'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l json -d 'The same as JSON, an object a line; with --check, the answers'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l trace -d 'Draw the life of each conversation, as the kernel shows it'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -l progress -d 'Show how far it is, on a terminal'
complete -c fincat -n "__fish_fincat_using_subcommand connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and not __fish_seen_subcommand_from listen connect" -s h -l help -d 'Print help'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and not __fish_seen_subcommand_from listen connect" -f -a "listen" -d 'Wait for datagrams: each new sender is a conversation'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and not __fish_seen_subcommand_from listen connect" -f -a "connect" -d 'Send datagrams to a peer and hear its answers'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l interface -d 'Only by way of this network interface' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l mark -d 'The firewall\'s mark of what is sent (SO_MARK)' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l rcvbuf -d 'Size of the buffer for what is received' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l sndbuf -d 'Size of the buffer for what is sent' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l ttl -d 'How many routers a packet may pass' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l tos -d 'The type of service, a whole byte' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l dscp -d 'The type of service as a code point: 0 to 63, cs1, af41, ef ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s w -l connect-timeout -d 'How long to wait for the first peer' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l port-file -d 'Write the bound port to FILE, by atomic rename' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l multicast -d 'Join this multicast group, on interface IF if given (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l count -d 'Exit when N conversations have been served' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s m -l max-connections -d 'At most N at once, the others wait; 512 by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l max-per-ip -d 'At most N at once from one address, the others are closed' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l allow -d 'Admit only this network, and the others allowed (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l deny -d 'Do not admit this network; wins over --allow (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l grace -d 'How long a stopping server lets conversations finish; 10 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l user -d 'Once listening, become USER, with GROUP or the user\'s own' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l chdir -d 'Once listening, go to this directory' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s c -l sh -d 'The same with a line for /bin/sh' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l send -d 'Send TEXT, half-close, hear the peer out' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l send-file -d 'Send FILE, half-close, hear the peer out' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l to -d 'Forward to tcp:HOST:PORT, udp:HOST:PORT, unix:PATH ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l on-eof -d 'At our input\'s end: half-close, close, hold, reset' -r -f -a "half-close\t''
close\t''
hold\t''
reset\t''"
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l on-fin -d 'At the peer\'s FIN: auto, drain or close' -r -f -a "auto\t''
drain\t''
close\t''"
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s q -l quit-after -d 'After our end, TIME without a byte ends in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l half-close-timeout -d 'After either end, TIME without a byte the other way is a failure' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l idle-timeout -d 'TIME without a byte either way is a failure; for datagrams, an end in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l deadline -d 'Everything must be over after TIME; in a server, each conversation' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l log-fd -d 'Say it to descriptor N instead of standard error' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l log-file -d 'Say it at the end of FILE instead of standard error' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l hexdump -d 'Write every byte to FILE, with direction, time and offset' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l retry -d 'Try N times more' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l retry-delay -d 'Before the first of them, then twice as long each time; 1 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l proxy-protocol -d 'Tell the upstream who called: v1 or v2; be told so by peers: accept' -r -f -a "accept\t''
v1\t''
v2\t''"
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l retry-for -d 'Try for TIME, whatever happens' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l size -d 'The most bytes of a datagram that is sent; 1472 for udp by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l datagrams -d 'End after N datagrams received' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l ready-fd -d 'Write the bound address, a line each, to descriptor N, and close it' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l activated -d 'Listen on the sockets that systemd, or whoever started us, has bound'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s 4 -d 'IPv4 only'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s 6 -d 'IPv6 only'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s n -l numeric -d 'Resolve no names'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l reuse-port -d 'Share the port with other listeners that ask for it too'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l broadcast -d 'Allow sending to a broadcast address'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l single -d 'One conversation at a time, the others wait (default)'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l thread -d 'A thread for each conversation'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l fork -d 'A process for each conversation'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s k -l keep-open -d 'Go on after the first conversation'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l pipes -d 'Give the command pipes instead of the socket'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l echo -d 'Send back what the peer sends (RFC 862)'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l discard -d 'Drop what the peer sends (RFC 863)'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l no-splice -d 'Copy all bytes: never pass them on inside the kernel'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s C -l crlf -d 'Send each LF of standard input as CRLF'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s N -l half-close -d '--on-eof half-close, the default'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l send-only -d 'Drop what the peer sends; end when all that we sent is acknowledged'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l recv-only -d 'Never read standard input'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l confirm -d 'Fail unless the peer has acknowledged every byte and the end was in order'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s v -l verbose -d 'Tell of each conversation; -vv: of every end and option'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l quiet -d 'Say nothing, not even of failures'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l json -d 'The same as JSON, an object a line; with --check, the answers'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l trace -d 'Draw the life of each conversation, as the kernel shows it'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l progress -d 'Show how far it is, on a terminal'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l per-datagram -d 'A fresh handler for each datagram, its output the reply'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l lines -d 'A line is a datagram, and a datagram a line'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -l eof-datagram -d 'An empty datagram is the end; one is sent at our own'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s s -l source -d 'Come from this address' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s p -l source-port -d 'Come from this port' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s w -l connect-timeout -d 'Bound over name and connecting, for each try' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l retry -d 'Try N times more' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l retry-delay -d 'Before the first of them, then twice as long each time; 1 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l retry-for -d 'Try for TIME, whatever happens' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l interface -d 'Only by way of this network interface' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l mark -d 'The firewall\'s mark of what is sent (SO_MARK)' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l rcvbuf -d 'Size of the buffer for what is received' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l sndbuf -d 'Size of the buffer for what is sent' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l ttl -d 'How many routers a packet may pass' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l tos -d 'The type of service, a whole byte' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l dscp -d 'The type of service as a code point: 0 to 63, cs1, af41, ef ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l payload -d 'With --check: what is sent, instead of an empty datagram' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s c -l sh -d 'The same with a line for /bin/sh' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l send -d 'Send TEXT, half-close, hear the peer out' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l send-file -d 'Send FILE, half-close, hear the peer out' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l to -d 'Forward to tcp:HOST:PORT, udp:HOST:PORT, unix:PATH ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l on-eof -d 'At our input\'s end: half-close, close, hold, reset' -r -f -a "half-close\t''
close\t''
hold\t''
reset\t''"
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l on-fin -d 'At the peer\'s FIN: auto, drain or close' -r -f -a "auto\t''
drain\t''
close\t''"
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s q -l quit-after -d 'After our end, TIME without a byte ends in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l half-close-timeout -d 'After either end, TIME without a byte the other way is a failure' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l idle-timeout -d 'TIME without a byte either way is a failure; for datagrams, an end in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l deadline -d 'Everything must be over after TIME; in a server, each conversation' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l log-fd -d 'Say it to descriptor N instead of standard error' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l log-file -d 'Say it at the end of FILE instead of standard error' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l hexdump -d 'Write every byte to FILE, with direction, time and offset' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l size -d 'The most bytes of a datagram that is sent; 1472 for udp by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l datagrams -d 'End after N datagrams received' -r
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s 4 -d 'IPv4 only'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s 6 -d 'IPv6 only'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s n -l numeric -d 'Resolve no names'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l broadcast -d 'Allow sending to a broadcast address'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s z -l check -d 'Only tell who answers: no conversation, several places'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l pipes -d 'Give the command pipes instead of the socket'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l echo -d 'Send back what the peer sends (RFC 862)'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l discard -d 'Drop what the peer sends (RFC 863)'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l no-splice -d 'Copy all bytes: never pass them on inside the kernel'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s C -l crlf -d 'Send each LF of standard input as CRLF'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s N -l half-close -d '--on-eof half-close, the default'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l send-only -d 'Drop what the peer sends; end when all that we sent is acknowledged'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l recv-only -d 'Never read standard input'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l confirm -d 'Fail unless the peer has acknowledged every byte and the end was in order'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s v -l verbose -d 'Tell of each conversation; -vv: of every end and option'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l quiet -d 'Say nothing, not even of failures'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l json -d 'The same as JSON, an object a line; with --check, the answers'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l trace -d 'Draw the life of each conversation, as the kernel shows it'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l progress -d 'Show how far it is, on a terminal'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l lines -d 'A line is a datagram, and a datagram a line'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -l eof-datagram -d 'An empty datagram is the end; one is sent at our own'
complete -c fincat -n "__fish_fincat_using_subcommand udp; and __fish_seen_subcommand_from connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and not __fish_seen_subcommand_from listen connect" -s h -l help -d 'Print help'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and not __fish_seen_subcommand_from listen connect" -f -a "listen" -d 'Wait for peers at a path, or at an abstract @name'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and not __fish_seen_subcommand_from listen connect" -f -a "connect" -d 'Connect to a peer at a path, or at an abstract @name'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l type -d 'stream, dgram or seqpacket' -r -f -a "stream\t''
dgram\t''
seqpacket\t''"
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l mode -d 'Permissions of the path, in octal, before anyone can connect' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l owner -d 'Owner of the path, USER or USER:GROUP' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l allow-uid -d 'Admit only processes of this user, and others allowed (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l allow-gid -d 'Admit only processes of this group, and others allowed (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l backlog -d 'Length of the queue of those who wait' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s w -l connect-timeout -d 'How long to wait for the first peer' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l count -d 'Exit when N conversations have been served' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s m -l max-connections -d 'At most N at once, the others wait; 512 by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l max-per-ip -d 'At most N at once from one address, the others are closed' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l allow -d 'Admit only this network, and the others allowed (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l deny -d 'Do not admit this network; wins over --allow (repeatable)' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l grace -d 'How long a stopping server lets conversations finish; 10 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l user -d 'Once listening, become USER, with GROUP or the user\'s own' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l chdir -d 'Once listening, go to this directory' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s c -l sh -d 'The same with a line for /bin/sh' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l send -d 'Send TEXT, half-close, hear the peer out' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l send-file -d 'Send FILE, half-close, hear the peer out' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l to -d 'Forward to tcp:HOST:PORT, udp:HOST:PORT, unix:PATH ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l on-eof -d 'At our input\'s end: half-close, close, hold, reset' -r -f -a "half-close\t''
close\t''
hold\t''
reset\t''"
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l on-fin -d 'At the peer\'s FIN: auto, drain or close' -r -f -a "auto\t''
drain\t''
close\t''"
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s q -l quit-after -d 'After our end, TIME without a byte ends in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l half-close-timeout -d 'After either end, TIME without a byte the other way is a failure' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l idle-timeout -d 'TIME without a byte either way is a failure; for datagrams, an end in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l deadline -d 'Everything must be over after TIME; in a server, each conversation' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l log-fd -d 'Say it to descriptor N instead of standard error' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l log-file -d 'Say it at the end of FILE instead of standard error' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l hexdump -d 'Write every byte to FILE, with direction, time and offset' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l retry -d 'Try N times more' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l retry-delay -d 'Before the first of them, then twice as long each time; 1 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l proxy-protocol -d 'Tell the upstream who called: v1 or v2; be told so by peers: accept' -r -f -a "accept\t''
v1\t''
v2\t''"
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l retry-for -d 'Try for TIME, whatever happens' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l hub-queue -d 'Bytes kept for a peer that does not read; 1M by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l size -d 'The most bytes of a datagram that is sent; 1472 for udp by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l datagrams -d 'End after N datagrams received' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l ready-fd -d 'Write the bound address, a line each, to descriptor N, and close it' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l activated -d 'Listen on the sockets that systemd, or whoever started us, has bound'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l single -d 'One conversation at a time, the others wait (default)'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l thread -d 'A thread for each conversation'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l fork -d 'A process for each conversation'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s k -l keep-open -d 'Go on after the first conversation'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l pipes -d 'Give the command pipes instead of the socket'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l echo -d 'Send back what the peer sends (RFC 862)'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l discard -d 'Drop what the peer sends (RFC 863)'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l no-splice -d 'Copy all bytes: never pass them on inside the kernel'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s C -l crlf -d 'Send each LF of standard input as CRLF'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s N -l half-close -d '--on-eof half-close, the default'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l send-only -d 'Drop what the peer sends; end when all that we sent is acknowledged'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l recv-only -d 'Never read standard input'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l confirm -d 'Fail unless the peer has acknowledged every byte and the end was in order'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s v -l verbose -d 'Tell of each conversation; -vv: of every end and option'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l quiet -d 'Say nothing, not even of failures'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l json -d 'The same as JSON, an object a line; with --check, the answers'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l trace -d 'Draw the life of each conversation, as the kernel shows it'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l progress -d 'Show how far it is, on a terminal'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l fan-out -d 'Every peer gets standard input, the slowest sets the pace (--thread)'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l hub -d 'What one peer sends, all others get (--thread)'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l per-datagram -d 'A fresh handler for each datagram, its output the reply'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l lines -d 'A line is a datagram, and a datagram a line'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -l eof-datagram -d 'An empty datagram is the end; one is sent at our own'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l type -d 'stream, dgram or seqpacket' -r -f -a "stream\t''
dgram\t''
seqpacket\t''"
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s w -l connect-timeout -d 'Bound over connecting, for each try' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l retry -d 'Try N times more' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l retry-delay -d 'Before the first of them, then twice as long each time; 1 s by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l retry-for -d 'Try for TIME, whatever happens' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l stable -d 'With --check: it must stay open for TIME' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s c -l sh -d 'The same with a line for /bin/sh' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l send -d 'Send TEXT, half-close, hear the peer out' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l send-file -d 'Send FILE, half-close, hear the peer out' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l to -d 'Forward to tcp:HOST:PORT, udp:HOST:PORT, unix:PATH ...' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l on-eof -d 'At our input\'s end: half-close, close, hold, reset' -r -f -a "half-close\t''
close\t''
hold\t''
reset\t''"
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l on-fin -d 'At the peer\'s FIN: auto, drain or close' -r -f -a "auto\t''
drain\t''
close\t''"
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s q -l quit-after -d 'After our end, TIME without a byte ends in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l half-close-timeout -d 'After either end, TIME without a byte the other way is a failure' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l idle-timeout -d 'TIME without a byte either way is a failure; for datagrams, an end in order' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l deadline -d 'Everything must be over after TIME; in a server, each conversation' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l log-fd -d 'Say it to descriptor N instead of standard error' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l log-file -d 'Say it at the end of FILE instead of standard error' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l hexdump -d 'Write every byte to FILE, with direction, time and offset' -r -F
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l size -d 'The most bytes of a datagram that is sent; 1472 for udp by default' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l datagrams -d 'End after N datagrams received' -r
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s z -l check -d 'Only tell who answers: no conversation, several places'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l pipes -d 'Give the command pipes instead of the socket'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l echo -d 'Send back what the peer sends (RFC 862)'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l discard -d 'Drop what the peer sends (RFC 863)'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l no-splice -d 'Copy all bytes: never pass them on inside the kernel'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s C -l crlf -d 'Send each LF of standard input as CRLF'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s N -l half-close -d '--on-eof half-close, the default'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l send-only -d 'Drop what the peer sends; end when all that we sent is acknowledged'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l recv-only -d 'Never read standard input'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l confirm -d 'Fail unless the peer has acknowledged every byte and the end was in order'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s v -l verbose -d 'Tell of each conversation; -vv: of every end and option'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l quiet -d 'Say nothing, not even of failures'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l json -d 'The same as JSON, an object a line; with --check, the answers'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l trace -d 'Draw the life of each conversation, as the kernel shows it'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l progress -d 'Show how far it is, on a terminal'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l lines -d 'A line is a datagram, and a datagram a line'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -l eof-datagram -d 'An empty datagram is the end; one is sent at our own'
complete -c fincat -n "__fish_fincat_using_subcommand unix; and __fish_seen_subcommand_from connect" -s h -l help -d 'Print help (see more with \'--help\')'
