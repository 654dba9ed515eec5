using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.ServiceDefaults.Tests;

public sealed class ServiceRunnerTests
{
    [Fact]
    public void Explain_OptionsOutOfRange_IsTheirText() =>
        Assert.Equal("A. B.", ServiceRunner.Explain(new OptionsValidationException("", typeof(object), ["A.", "B."])));

    [Fact]
    public void Explain_SeveralOptions_IsOneLine()
    {
        var several = new AggregateException(
            new OptionsValidationException("", typeof(object), ["A."]), new OptionsValidationException("", typeof(object), ["B."]));

        Assert.Equal("A. B.", ServiceRunner.Explain(several));
    }

    [Fact]
    public void Explain_AddressInUse_IsItsMessage() =>
        Assert.Equal("Port 1 is taken.", ServiceRunner.Explain(new IOException("Port 1 is taken.", new AddressInUseException("x"))));

    [Fact]
    public void Explain_OwnFault_IsLeftAlone()
    {
        Assert.Null(ServiceRunner.Explain(new InvalidOperationException()));
        Assert.Null(ServiceRunner.Explain(
            new AggregateException(new OptionsValidationException("", typeof(object), ["A."]), new InvalidOperationException())));
    }

    [Fact]
    public async Task RunAsync_NoAdminKey_DoesNotStart()
    {
        var exitCode = await ServiceRunner.RunAsync(() =>
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Configuration.Sources.Clear();
            builder.Logging.ClearProviders();
            builder.AddServiceDefaults();
            builder.AddApiKeyAuthentication();
            return builder.Build();
        });

        Assert.Equal(1, exitCode);
    }
}
