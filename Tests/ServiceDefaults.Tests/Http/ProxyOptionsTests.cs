using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.ServiceDefaults.Tests.Http;

public sealed class ProxyOptionsTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("10.0.0.7", "/rag")]
    [InlineData("10.0.0.7, 10.1.0.0/16,fd00::/8 , ::1", "/tools/rag.v1")]
    public void Validate_AddressesAndNetworks_AreRight(string known, string pathBase) =>
        Assert.True(new ProxyOptionsValidator().Validate(null, new() { Known = known, PathBase = pathBase }).Succeeded);

    [Theory]
    [InlineData("proxy.example.org", "", "Proxy:Known")]
    [InlineData("10.0.0.0/33", "", "Proxy:Known")]
    [InlineData("10.0.0.7;10.0.0.8", "", "Proxy:Known")]
    [InlineData("", "rag", "Proxy:PathBase")]
    [InlineData("", "/rag/", "Proxy:PathBase")]
    [InlineData("", "//evil", "Proxy:PathBase")]
    public void Validate_WhatCannotBeRead_NamesTheSetting(string known, string pathBase, string setting) =>
        Assert.Contains(setting, new ProxyOptionsValidator().Validate(null, new() { Known = known, PathBase = pathBase }).FailureMessage, StringComparison.Ordinal);

    [Theory]
    [InlineData("/rag/v1/x", "/rag /v1/x")]
    [InlineData("/v1/x", "/rag /v1/x")]
    [InlineData("/ragged/x", "/rag /ragged/x")]
    [InlineData("/rag", "/rag ")]
    public async Task PathBase_OfAnyService_IsTakenOffTheRequestsThatHaveItAndKnownInAll(string path, string seen)
    {
        await using var app = await TestApp.StartAsync(
            new() { ["Proxy:PathBase"] = "/rag" },
            _ => { },
            app => app.Run(context => context.Response.WriteAsync($"{context.Request.PathBase} {context.Request.Path}")));

        Assert.Equal(seen, await app.Client.GetStringAsync(path, TestContext.Current.CancellationToken));
    }
}
