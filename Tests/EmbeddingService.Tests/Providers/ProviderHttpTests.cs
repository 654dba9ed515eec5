using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Tests.Providers;

public sealed class ProviderHttpTests
{
    [Fact]
    public async Task Send_WithinATrace_TheProviderLearnsNothingOfIt()
    {
        using var listener = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource("test");
        using var trace = source.StartActivity("search");
        trace!.TraceStateString = "secret=1";
        trace.AddBaggage("tenant", "w");
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var seen = ReadHeadersAsync(server);
        using var http = ProviderHttp.Create();

        using var answer = await http.Client.GetAsync(
            new Uri($"http://127.0.0.1:{((IPEndPoint)server.LocalEndpoint).Port}/"), TestContext.Current.CancellationToken);

        var headers = await seen;
        Assert.Contains("Host:", headers, StringComparison.Ordinal);
        Assert.All(
            ["traceparent", "tracestate", "baggage", "Correlation-Context", "Request-Id"],
            name => Assert.DoesNotContain(name, headers, StringComparison.OrdinalIgnoreCase));
    }

    private static async Task<string> ReadHeadersAsync(TcpListener server)
    {
        using var client = await server.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await using var stream = client.GetStream();
        var (buffer, text) = (new byte[4096], "");
        while (!text.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            text += Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer, TestContext.Current.CancellationToken));
        }

        await stream.WriteAsync("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        return text;
    }
}
