using RagPlatform.Cli;
using RagPlatform.Cli.Connections;

namespace RagPlatform.Integration.Tests.Cli;

public sealed class ApiAddressTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string> _variables = [];

    [Fact]
    public void Find_RunningNode_IsWhereItsFileSays()
    {
        _folder.Write(".data/node.json", """{"processId": 1, "api": "http://127.0.0.1:6001/"}""");
        _folder.Write(".data/admin.key", "rag_secret\n");
        _folder.Write("RagPlatform.sln", "");
        Directory.CreateDirectory(Path.Combine(_folder.FullPath, "docs"));

        Assert.Equal(new ApiAddress(new Uri("http://127.0.0.1:6001/"), "rag_secret"), Find(directory: "docs"));
    }

    [Fact]
    public void Find_DataVariable_WinsOverTheRepository()
    {
        _folder.Write("RagPlatform.sln", "");
        _folder.Write(".data/admin.key", "wrong");
        _folder.Write("elsewhere/admin.key", "right");
        _variables["RAG_DATA"] = "elsewhere";

        Assert.Equal(new ApiAddress(new Uri(ApiAddress.Default), "right"), Find());
    }

    [Fact]
    public void Find_Options_WinOverVariablesWhichWinOverTheNode()
    {
        _folder.Write("RagPlatform.sln", "");
        _folder.Write(".data/node.json", """{"api": "http://127.0.0.1:6001/"}""");
        _folder.Write(".data/admin.key", "node");
        _folder.Write("key.txt", "file");
        _variables["RAG_URL"] = "http://variable/rag";
        _variables["RAG_API_KEY"] = "variable";

        Assert.Equal(new ApiAddress(new Uri("http://variable/rag/"), "variable"), Find());
        Assert.Equal(new ApiAddress(new Uri("http://option/"), "file"), Find(url: "http://option", keyFile: "key.txt"));
        Assert.Equal("option", Find(key: "option", keyFile: "key.txt").Key);
    }

    [Fact]
    public void Find_HalfWrittenNodeFile_UsesTheDefault()
    {
        _folder.Write("RagPlatform.sln", "");
        _folder.Write(".data/node.json", "{\"api\": \"http://127.");

        Assert.Equal(new Uri(ApiAddress.Default), Find(key: "k").Url);
    }

    [Theory]
    [InlineData("ftp://host", null, null, "is no address")]
    [InlineData("localhost", null, null, "is no address")]
    [InlineData(null, null, "missing.txt", "cannot be read")]
    [InlineData(null, null, "empty.txt", "is empty")]
    [InlineData(null, null, null, "no API key")]
    public void Find_Unusable_SaysWhy(string? url, string? key, string? keyFile, string reason)
    {
        _folder.Write("empty.txt", " \n");

        Assert.Contains(reason, Assert.Throws<CliException>(() => Find(url, key ?? (url is null ? null : "k"), keyFile)).Message);
    }

    public void Dispose() => _folder.Dispose();

    private ApiAddress Find(string? url = null, string? key = null, string? keyFile = null, string directory = "") => ApiAddress.Find(
        new CliEnvironment
        {
            Output = TextWriter.Null,
            Error = TextWriter.Null,
            Variable = name => _variables.GetValueOrDefault(name),
            WorkingDirectory = Path.Combine(_folder.FullPath, directory),
            ProgramDirectory = "/",
        },
        url, key, keyFile);
}
