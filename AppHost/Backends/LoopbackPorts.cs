using System.Net;
using System.Net.Sockets;

namespace RagPlatform.AppHost.Backends;

/// <summary>Ports of the loopback interface that can be named before they are listened on.</summary>
internal static class LoopbackPorts
{
    // Below those that the system gives away itself, so that nobody is given the port between now and the server's start.
    private const int First = 20_000;
    private const int Last = 32_000;
    private const int Attempts = 100;

    private static readonly HashSet<int> s_taken = [];

    /// <summary>One that is free, and that this process was not given before.</summary>
    /// <exception cref="DistributedApplicationException">None was found.</exception>
    public static int TakeFree()
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var port = Random.Shared.Next(First, Last);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
            }
            catch (SocketException)
            {
                continue;
            }

            lock (s_taken)
            {
                if (s_taken.Add(port))
                {
                    return port;
                }
            }
        }

        throw new DistributedApplicationException($"No port from {First} to {Last} is free on 127.0.0.1.");
    }
}
