using System.Runtime.InteropServices;
using Google.Protobuf;

namespace RagPlatform.EmbeddingService.Tests.Providers.Local;

/// <summary>Writes small ONNX models (field numbers as in the ONNX specification), so that tests need no file of a model.</summary>
internal sealed class OnnxWriter
{
    private const int Float32 = 1;
    private const int Int64 = 7;

    private readonly List<byte[]> _nodes = [];
    private readonly List<byte[]> _initializers = [];
    private int _names;

    public string Tensor(float[] values, params long[] dimensions) => Tensor(Float32, MemoryMarshal.AsBytes(values.AsSpan()), dimensions);

    public string Tensor(long[] values, params long[] dimensions) => Tensor(Int64, MemoryMarshal.AsBytes(values.AsSpan()), dimensions);

    /// <summary>Adds a node and returns the name of its output.</summary>
    public string Node(string type, string[] inputs, params (string Name, object Value)[] attributes) => Node(type, inputs, Name(), attributes);

    public string Node(string type, string[] inputs, string output, params (string Name, object Value)[] attributes)
    {
        _nodes.Add(Message(message =>
        {
            foreach (var input in inputs)
            {
                Text(message, 1, input);
            }

            Text(message, 2, output);
            Text(message, 3, output + "_node");
            Text(message, 4, type);
            foreach (var (name, value) in attributes)
            {
                Bytes(message, 5, Attribute(name, value));
            }
        }));
        return output;
    }

    public string Constant(params long[] values) => Tensor(values, values.Length);

    public byte[] Model(string[] inputs, string output)
    {
        var graph = Message(message =>
        {
            _nodes.ForEach(node => Bytes(message, 1, node));
            Text(message, 2, "test");
            _initializers.ForEach(tensor => Bytes(message, 5, tensor));
            foreach (var input in inputs)
            {
                Bytes(message, 11, Value(input, Int64, 2));
            }

            Bytes(message, 12, Value(output, Float32, 3));
        });
        return Message(message =>
        {
            Number(message, 1, 8);
            Bytes(message, 7, graph);
            Bytes(message, 8, Message(set => Number(set, 2, 17)));
        });
    }

    private string Tensor(int type, ReadOnlySpan<byte> data, long[] dimensions)
    {
        var (name, raw) = (Name(), data.ToArray());
        _initializers.Add(Message(message =>
        {
            foreach (var dimension in dimensions)
            {
                Number(message, 1, dimension);
            }

            Number(message, 2, type);
            Text(message, 8, name);
            Bytes(message, 9, raw);
        }));
        return name;
    }

    private static byte[] Attribute(string name, object value) => Message(message =>
    {
        Text(message, 1, name);
        switch (value)
        {
            case float number:
                message.WriteTag(2, WireFormat.WireType.Fixed32);
                message.WriteFloat(number);
                Number(message, 20, 1);
                break;
            case int number:
                Number(message, 3, number);
                Number(message, 20, 2);
                break;
            case long[] numbers:
                foreach (var number in numbers)
                {
                    Number(message, 8, number);
                }

                Number(message, 20, 7);
                break;
            default:
                throw new ArgumentException($"An attribute of {value.GetType()} is not written here.", nameof(value));
        }
    });

    private static byte[] Value(string name, int type, int rank) => Message(message =>
    {
        Text(message, 1, name);
        Bytes(message, 2, Message(kind => Bytes(kind, 1, Message(tensor =>
        {
            Number(tensor, 1, type);
            Bytes(tensor, 2, Message(shape =>
            {
                for (var i = 0; i < rank; i++)
                {
                    Bytes(shape, 1, Message(dimension => Text(dimension, 2, $"{name}_{i}")));
                }
            }));
        }))));
    });

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var message = new CodedOutputStream(buffer, leaveOpen: true))
        {
            write(message);
        }

        return buffer.ToArray();
    }

    private static void Number(CodedOutputStream message, int field, long value)
    {
        message.WriteTag(field, WireFormat.WireType.Varint);
        message.WriteInt64(value);
    }

    private static void Text(CodedOutputStream message, int field, string value)
    {
        message.WriteTag(field, WireFormat.WireType.LengthDelimited);
        message.WriteString(value);
    }

    private static void Bytes(CodedOutputStream message, int field, byte[] value)
    {
        message.WriteTag(field, WireFormat.WireType.LengthDelimited);
        message.WriteBytes(ByteString.CopyFrom(value));
    }

    private string Name() => $"t{_names++}";
}
